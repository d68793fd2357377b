"""
A Prometheus with the invented fleet, to view the dashboards: `python -m tests.dashboards`.
"""

import contextlib
import tempfile
import time
from pathlib import Path

from tests.dashboards.plans import CONFIG, HOURS, plans
from tests.dashboards.prometheus import prometheus, real_exposition, write_blocks


def main() -> None:
    """
    Generate a day of the fleet's data, and serve it until Ctrl-C.
    """
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "exporter.yml")
        config.write_text(CONFIG)
        exposition = real_exposition(config)
        now = time.time()
        print("Generating a day of the fleet's data; this takes some minutes ...", flush=True)
        write_blocks(Path(folder), plans(), exposition, begin=now - HOURS * 3600, end=now)
        with prometheus(Path(folder)) as running:
            print(f"Prometheus with the data is at {running.url}; Ctrl-C stops it.", flush=True)
            with contextlib.suppress(KeyboardInterrupt):
                while True:
                    time.sleep(3600)


if __name__ == "__main__":
    main()

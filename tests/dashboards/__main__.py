"""
A Prometheus with the invented fleet, to look at the dashboards with: `python -m tests.dashboards`.
"""

import contextlib
import tempfile
import time
from pathlib import Path

from tests.dashboards.plans import CONFIG, HOURS, plans
from tests.dashboards.prometheus import prometheus, real_exposition, write_blocks


def main() -> None:
    """
    Make the fleet's last day, and serve it until Ctrl-C.
    """
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "exporter.yml")
        config.write_text(CONFIG)
        exposition = real_exposition(config)
        now = time.time()
        print("Inventing a day of the fleet; this takes some minutes ...", flush=True)
        write_blocks(Path(folder), plans(), exposition, begin=now - HOURS * 3600, end=now)
        with prometheus(Path(folder)) as running:
            print(f"{running.url} has it, until now; Ctrl-C ends it.", flush=True)
            with contextlib.suppress(KeyboardInterrupt):
                while True:
                    time.sleep(3600)


if __name__ == "__main__":
    main()

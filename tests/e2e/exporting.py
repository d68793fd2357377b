"""
The exporter inside a lab's host, with a configuration that the test itself says.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.e2e import exporter_inside as inside
from tests.e2e.exporter_inside import Exporter, Scrape, table
from tests.exporter_process import COMMAND
from tests.lab import Host

__all__ = ["Exporter", "Scrape", "exporter_inside", "table"]


@contextmanager
def exporter_inside(
    host: Host, config: str, command: Sequence[str] = COMMAND
) -> Iterator[Exporter]:
    """
    Run the exporter inside a host until the block is left; it has sampled when that is entered.

    config is the text of the config file, command what comes before the flags.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        file.write(config)
        file.flush()
        with inside.exporter_inside(host, Path(file.name), command) as exporter:
            yield exporter

"""
The exporter inside a host of the lab, with the configuration as a text in the test.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.e2e import exporter_inside as inside
from tests.e2e.exporter_inside import Exporter, Scrape, table
from tests.exporter_process import COMMAND
from tests.lab import Host

__all__ = ["Exporter", "Scrape", "exporter_inside", "table", "with_paths"]


@contextmanager
def exporter_inside(
    host: Host, config: str, command: Sequence[str] = COMMAND
) -> Iterator[Exporter]:
    """
    Run the exporter inside a host until the end of the block. The block starts after its first
    sample.

    config is the text of the config file, command is what precedes the flags.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        file.write(config)
        file.flush()
        with inside.exporter_inside(host, Path(file.name), command) as exporter:
            yield exporter


def with_paths(addresses: Mapping[str, str], idle_timeout: int, interval: float) -> str:
    """
    A config file with a path for each name, to its address. Times are in seconds; interval is that
    of the samples.
    """
    paths = "".join(
        f"- {{name: {name}, remote: {address}, idle_timeout: {idle_timeout}s}}\n"
        for name, address in addresses.items()
    )
    sampling = f"sampling: {{interval: {interval * 1000:.0f}ms, max_duty_cycle: 1}}"
    return f"profile: none\n{sampling}\npaths:\n{paths}"

"""
The JSON files that Grafana imports.
"""

from pathlib import Path

from dashboards.drops import drops
from dashboards.fleet import fleet
from dashboards.frame import render
from dashboards.host import host

_FOLDER = Path(__file__).parent


def files() -> dict[Path, str]:
    """
    The files and their content.
    """
    return {_FOLDER / f"{made.__name__}.json": render(made()) for made in (fleet, host, drops)}

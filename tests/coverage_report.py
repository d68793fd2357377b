"""
Prints the line coverage of each package of exporter/, and fails if one is below its minimum.
"""

import json
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from coverage import Coverage

MINIMUM = {
    "": 99,  # the modules beside the packages
    "analysis": 98,
    "cli": 96,
    "collectors": 93,  # what happens at real failures of a stream is seen by tests/e2e
    "config": 99,
    "connections": 97,
    "linux": 94,  # errors of the kernel and races with processes that end cannot all be caused
    "metrics": 96,
    "model": 99,
    "paths": 97,
    "probe": 86,  # connections that fail during a measurement are seen by tests/e2e
    "protect": 93,  # sockets that close, and namespaces that fail, between two requests
    "remedies": 99,
    "text": 99,
    "web": 95,  # clients that end their connection at the wrong moment
    "windows": 99,  # with a registry of the tests' own
}
"""
Percent of the lines that the package's own tests run (`make coverage`); with tests/e2e, tests/demo
and tests/deploy each has at least 95 %.
"""


@dataclass
class Lines:
    """
    How many lines a package has, and how many of them ran.
    """

    total: int = 0
    covered: int = 0

    @property
    def percent(self) -> float:
        """
        The share that ran.
        """
        return 100 * self.covered / self.total


def by_package(coverage: Coverage) -> dict[str, Lines]:
    """
    The lines of each package of exporter/; "" is the modules beside them.
    """
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        coverage.json_report(outfile=file.name)
        files = json.load(file)["files"]
    packages: defaultdict[str, Lines] = defaultdict(Lines)
    for name, found in files.items():
        parts = Path(name).parts
        lines = packages[parts[1] if len(parts) > 2 else ""]
        lines.total += found["summary"]["num_statements"]
        lines.covered += found["summary"]["covered_lines"]
    return packages


def main() -> None:
    """
    Read the combined data that pyproject.toml names.
    """
    coverage = Coverage()
    coverage.load()
    below = []
    for package, lines in sorted(by_package(coverage).items()):
        minimum = MINIMUM[package]
        print(f"{package or '(exporter)':12} {lines.percent:6.1f} %  minimum {minimum} %")
        if lines.percent < minimum:
            below.append(package)
    if below:
        sys.exit(f"Below the minimum: {', '.join(below)}. See: coverage report --show-missing")


if __name__ == "__main__":
    main()

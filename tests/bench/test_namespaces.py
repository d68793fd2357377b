"""
The benchmark of many namespaces runs and prints its table. Its measurements are not tested.
"""

import subprocess
import sys

from tests.exporter_process import ROOT
from tests.lab import requires_lab


@requires_lab
def test_a_run_prints_a_line_for_each_number_of_namespaces() -> None:
    """
    Each line has the same number of sockets in total.
    """
    command = [sys.executable, "-m", "tests.bench.namespaces", "--sockets", "40"]
    finished = subprocess.run(
        [*command, "--namespaces", "1", "2", "5"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    lines = finished.stdout.splitlines()
    assert [line.split()[:2] for line in lines[1:4]] == [["1", "40"], ["2", "40"], ["5", "40"]]

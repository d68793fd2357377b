"""
Other tools that read all TCP sockets, for comparison.
"""

import json
import resource
import socket
import subprocess
import sys
import time
from dataclasses import dataclass

from pyroute2.netlink.diag import DiagSocket

from exporter.linux.netlink.dump import CONNECTED
from exporter.linux.netlink.layout import INFO


def ss() -> None:
    """
    Run ss as a user would.
    """
    subprocess.run(["ss", "-tin"], stdout=subprocess.DEVNULL, check=True)


@dataclass(frozen=True, slots=True)
class Cost:
    """
    Processor time in seconds, and peak memory in bytes.
    """

    seconds: float
    memory: float


def pyroute2() -> Cost:
    """
    Cost of the exporter's dumps with pyroute2, in a separate process.
    """
    command = [sys.executable, "-m", "tests.bench.other_tools"]
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return Cost(**json.loads(output))


def _measure_pyroute2() -> None:
    started = time.process_time()
    with DiagSocket() as netlink:
        netlink.bind()
        for family in (socket.AF_INET, socket.AF_INET6):
            netlink.get_sock_stats(family=family, states=CONNECTED, extensions=1 << (INFO - 1))
    seconds = time.process_time() - started
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "memory": memory}))


if __name__ == "__main__":
    _measure_pyroute2()

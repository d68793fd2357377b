"""
Other tools that read all TCP sockets.
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
    What a person would type.
    """
    subprocess.run(["ss", "-tin"], stdout=subprocess.DEVNULL, check=True)


@dataclass(frozen=True, slots=True)
class Cost:
    """
    Processor seconds, and bytes at the peak.
    """

    seconds: float
    memory: float


def pyroute2() -> Cost:
    """
    What the dumps that the exporter asks for cost with pyroute2, in a process of their own.
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

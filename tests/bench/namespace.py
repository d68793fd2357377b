"""
A network namespace of the benchmark's own, so that the machine's sockets are neither read nor met.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

_COMMANDS = {"ip": "iproute2", "ss": "iproute2", "unshare": "util-linux", "setpriv": "util-linux"}
"""What the benchmarks run, and the Debian packages it comes in."""
_OUTER = "BENCH_OUTER_NAMESPACE"
_CURRENT = Path("/proc/self/ns/net")
_LOCAL_PORTS = "10000 65535"
"""What connections and port 0 choose from; the crowd listens below it."""


class NamespaceError(Exception):
    """
    The benchmarks cannot have a namespace here; the message says why.
    """


def enter() -> None:
    """
    Be in a namespace of our own: the command runs itself anew there unless it already has.
    """
    outer = os.environ.get(_OUTER)
    if outer is None:
        _require()
        os.environ[_OUTER] = str(_CURRENT.readlink())
        os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.orig_argv[1:]])
    if outer == str(_CURRENT.readlink()):
        raise NamespaceError("unshare has not made a namespace")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    Path("/proc/sys/net/ipv4/ip_local_port_range").write_text(_LOCAL_PORTS, encoding="ascii")


def _require() -> None:
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        raise NamespaceError("the benchmarks need Linux and root, for a network namespace")
    for command, package in _COMMANDS.items():
        if shutil.which(command) is None:
            raise NamespaceError(f"the benchmarks need {command}, of the package {package}")

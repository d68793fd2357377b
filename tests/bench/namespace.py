"""
A network namespace for the benchmark, which isolates it from the machine's sockets.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

_COMMANDS = {"ip": "iproute2", "ss": "iproute2", "unshare": "util-linux", "setpriv": "util-linux"}
"""Commands that the benchmarks run, with their Debian packages."""
_OUTER = "BENCH_OUTER_NAMESPACE"
_CURRENT = Path("/proc/self/ns/net")
_LOCAL_PORTS = "10000 65535"
"""Range of ephemeral ports. The listeners of idle_connections use ports below it."""


class NamespaceError(Exception):
    """
    The benchmarks cannot create a namespace here. The message has the reason.
    """


def enter() -> None:
    """
    Enter a new namespace: the command executes itself again there unless it already runs in one.
    """
    outer = os.environ.get(_OUTER)
    if outer is None:
        _require()
        os.environ[_OUTER] = str(_CURRENT.readlink())
        os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.orig_argv[1:]])
    if outer == str(_CURRENT.readlink()):
        raise NamespaceError("unshare did not create a namespace")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    Path("/proc/sys/net/ipv4/ip_local_port_range").write_text(_LOCAL_PORTS, encoding="ascii")


def _require() -> None:
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        raise NamespaceError("the benchmarks need Linux and root to create a network namespace")
    for command, package in _COMMANDS.items():
        if shutil.which(command) is None:
            raise NamespaceError(f"the benchmarks need {command} (package {package})")

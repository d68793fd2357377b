"""
The exporter's command line where all that Python shows of the system is Windows.

Usage: python -m tests.e2e.as_windows REGISTRY ARGUMENTS..., REGISTRY being values of the key as
JSON: {"KeepAliveTime": 120000}. What the exporter uses of Linux is not there, and Windows' event
loop, which takes no signals and watches no files, is imitated.
"""

import asyncio
import importlib
import json
import signal
import socket
import sys
from typing import Any

from tests.windows.registry_values import REG_DWORD, Registry

_LATE = ("exporter.cli.check", "exporter.cli.fix", "exporter.remedies", "exporter.web.templating")
_ABSENT = ("pyroute2", "fcntl", "resource", "pwd", "grp", "termios")


def import_libraries() -> None:
    """
    Import what the exporter imports, but for the exporter: libraries choose their system then.
    """
    for module in ("exporter.cli", *_LATE, "jinja2", "psutil"):
        importlib.import_module(module)
    for name in list(sys.modules):
        if name.partition(".")[0] in {"exporter", "pyroute2"}:
            del sys.modules[name]


def become_windows(values: dict[str, int]) -> None:
    """
    Change what Python shows of the system.
    """
    for module in _ABSENT:
        sys.modules[module] = None  # type: ignore[assignment]  # which makes its import fail
    sys.modules["winreg"] = Registry({name: (each, REG_DWORD) for name, each in values.items()})
    del signal.SIGHUP, socket.AF_NETLINK
    for method in ("add_signal_handler", "add_reader", "add_writer"):
        setattr(asyncio.SelectorEventLoop, method, _not_implemented)
    sys.platform = "win32"


def _not_implemented(*_: Any) -> None:
    raise NotImplementedError


if __name__ == "__main__":
    import_libraries()
    become_windows(json.loads(sys.argv.pop(1)))
    importlib.import_module("exporter.cli").main()

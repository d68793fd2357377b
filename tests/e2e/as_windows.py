"""
The exporter's command line with a Python that reports Windows as its platform.

Usage: python -m tests.e2e.as_windows REGISTRY ARGUMENTS... REGISTRY has the values of the registry
key as JSON: {"KeepAliveTime": 120000}. Modules that exist only on Linux cannot be imported, and the
event loop, like that of Windows, supports neither signal handlers nor file descriptors.
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
    Import the exporter's dependencies but not the exporter: they detect their platform at import.
    """
    for module in ("exporter.cli", *_LATE, "jinja2", "psutil"):
        importlib.import_module(module)
    for name in list(sys.modules):
        if name.partition(".")[0] in {"exporter", "pyroute2"}:
            del sys.modules[name]


def become_windows(values: dict[str, int]) -> None:
    """
    Change what Python reports about the platform.
    """
    for module in _ABSENT:
        sys.modules[module] = None  # type: ignore[assignment]  # makes its import fail
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

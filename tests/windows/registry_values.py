"""
A fake winreg module with the documented behavior of the functions that the exporter uses.
"""

import contextlib
import importlib
import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any, Self

import pytest

MODULE = "exporter.windows.registry"

KEY = r"SYSTEM\CurrentControlSet\Services\Tcpip\Parameters"

REG_SZ, REG_BINARY, REG_DWORD, REG_MULTI_SZ, REG_QWORD = 1, 3, 4, 7, 11
_HKEY_LOCAL_MACHINE = 0x80000002
_KEY_READ = 0x20019
_KEY_WOW64_64KEY = 0x100
_KEY_WOW64_32KEY = 0x200

Values = Mapping[str, tuple[object, int]]
"""A key's values: data and type by name."""


class Handle:
    """
    An open key, which closes itself.
    """

    def __init__(self, values: Values) -> None:
        self.values: Values | None = values

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.values = None


class Registry(types.ModuleType):
    """
    winreg in a 32-bit Python: without KEY_WOW64_64KEY, the key is empty.

    values are those of the key that the exporter reads; None if the key does not exist. Opening the
    key raises error if set. refused has the names of values that cannot be read.
    """

    HKEY_LOCAL_MACHINE = _HKEY_LOCAL_MACHINE
    KEY_READ = _KEY_READ
    KEY_WOW64_64KEY = _KEY_WOW64_64KEY
    KEY_WOW64_32KEY = _KEY_WOW64_32KEY
    REG_DWORD = REG_DWORD

    def __init__(self, values: Values | None = None) -> None:
        super().__init__("winreg")
        self.values = values
        self.error: OSError | None = None
        self.refused: frozenset[str] = frozenset()

    def OpenKey(  # noqa: N802  winreg's names
        self, key: int, sub_key: str, reserved: int = 0, access: int = _KEY_READ
    ) -> Handle:
        """
        The key in the registry view selected by access.
        """
        assert (key, reserved) == (_HKEY_LOCAL_MACHINE, 0)
        if self.error is not None:
            raise self.error
        if self.values is None or sub_key.casefold() != KEY.casefold():
            raise _missing()
        return Handle(self.values if access & _KEY_WOW64_64KEY else {})

    def QueryValueEx(self, key: Handle, value_name: str) -> tuple[Any, int]:  # noqa: N802
        """
        Data and type of the value; names are not case-sensitive.
        """
        assert key.values is not None, "the key has been closed"
        if value_name in self.refused:
            raise PermissionError(5, "Access is denied")
        for name, value in key.values.items():
            if name.casefold() == value_name.casefold():
                return value
        raise _missing()


@contextlib.contextmanager
def on_windows(registry: Registry) -> Iterator[Any]:
    """
    Import the module that reads the registry, which can be imported on Windows only.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "winreg", registry)
        patch.setattr(sys, "platform", "win32")
        module = importlib.import_module(MODULE)
    try:
        yield module
    finally:
        del sys.modules[MODULE]


def _missing() -> FileNotFoundError:
    return FileNotFoundError(2, "The system cannot find the file specified")

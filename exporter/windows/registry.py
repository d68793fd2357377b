"""
Keepalive values in the Windows registry, in milliseconds.

Windows reads them at boot. A changed value is exported immediately, but applies to connections only
after the next boot.
"""

import sys

from exporter.model import WINDOWS_PROBES, Platform, Settings

if sys.platform != "win32":
    raise ImportError("only Windows has a registry")

import winreg

_KEY = r"SYSTEM\CurrentControlSet\Services\Tcpip\Parameters"
_TIME = 7_200_000
_INTERVAL = 1_000
_DATA_RETRANSMISSIONS = 5
"""Windows' defaults for absent values."""


def read_settings() -> Settings:
    """
    The settings. A value outside the documented range is None, and problems has the reason.
    """
    problems: list[str] = []
    configured: set[str] = set()

    def read(setting: str, name: str, default: int, least: int) -> int | None:
        try:
            value, kind = winreg.QueryValueEx(key, name)
        except FileNotFoundError:  # the value does not exist
            return default
        except OSError as error:
            problems.append(f"cannot read {name}: {error.strerror}")
            return None
        configured.add(setting)
        if kind != winreg.REG_DWORD:
            problems.append(
                f"{name} has registry type {kind}; allowed: REG_DWORD (type {winreg.REG_DWORD})"
            )
            return None
        number = int(value)
        if number < least:
            problems.append(f"{name} is {number}; allowed: {least} or more")
            return None
        return number

    try:
        # Without this flag, a 32-bit Python would read another view of the registry.
        access = winreg.KEY_READ | winreg.KEY_WOW64_64KEY
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, _KEY, access=access) as key:
            time = read("time", "KeepAliveTime", _TIME, least=1)
            interval = read("interval", "KeepAliveInterval", _INTERVAL, least=1)
            data_retransmissions = read(
                "data_retransmissions", "TcpMaxDataRetransmissions", _DATA_RETRANSMISSIONS, least=0
            )
    except OSError as error:
        time = interval = data_retransmissions = None
        problems.append(rf"cannot open HKLM\{_KEY}: {error.strerror}")
    return Settings(
        time=None if time is None else time / 1000,
        interval=None if interval is None else interval / 1000,
        probes=WINDOWS_PROBES,
        data_retransmissions=data_retransmissions,
        configured=frozenset(configured),
        problems=tuple(problems),
        platform=Platform.WINDOWS,
    )

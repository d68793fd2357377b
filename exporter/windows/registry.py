"""
Keepalive values in Windows' registry, which are milliseconds there.

Windows reads them when it starts. One that has been changed since is told at once, but rules
connections from the next start on.
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
"""What Windows takes where there is no value."""


def read_settings() -> Settings:
    """
    The settings; one that Windows' documentation has no answer for is None and among the problems.
    """
    problems: list[str] = []
    configured: set[str] = set()

    def read(setting: str, name: str, default: int, least: int) -> int | None:
        try:
            value, kind = winreg.QueryValueEx(key, name)
        except FileNotFoundError:  # there is no such value
            return default
        except OSError as error:
            problems.append(f"cannot read {name}: {error.strerror}")
            return None
        configured.add(setting)
        if kind != winreg.REG_DWORD:
            problems.append(f"{name} is no REG_DWORD, which is type {winreg.REG_DWORD}, but {kind}")
            return None
        number = int(value)
        if number < least:
            problems.append(f"{name} is {number}, but {least} is the least it may be")
            return None
        return number

    try:
        # A 32-bit Python is to see what the system sees, too.
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

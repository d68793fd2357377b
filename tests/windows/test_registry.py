"""
Windows' registry, from a stand-in: what is read, what is told of values that are absent or odd.
"""

import importlib
from collections.abc import Iterator
from typing import Any

import pytest

from exporter.model import Platform, Settings
from tests.windows.registry_values import (
    MODULE,
    REG_BINARY,
    REG_DWORD,
    REG_MULTI_SZ,
    REG_QWORD,
    REG_SZ,
    Registry,
    on_windows,
)

SETTINGS = {
    "KeepAliveTime": "time",
    "KeepAliveInterval": "interval",
    "TcpMaxDataRetransmissions": "data_retransmissions",
}
DEFAULTS = Settings(
    time=7200,
    interval=1,
    probes=10,
    data_retransmissions=5,
    configured=frozenset(),
    platform=Platform.WINDOWS,
)


@pytest.fixture
def registry() -> Registry:
    """
    A registry whose key holds values, but none of keepalive.
    """
    return Registry({"Hostname": ("web-1", REG_SZ), "DhcpDomain": ("", REG_SZ)})


@pytest.fixture
def windows(registry: Registry) -> Iterator[Any]:
    """
    The module that reads it.
    """
    with on_windows(registry) as module:
        yield module


def test_elsewhere() -> None:
    """
    Only Windows has a registry.
    """
    with pytest.raises(ImportError, match="only Windows"):
        importlib.import_module(MODULE)


def test_absent(windows: Any) -> None:
    """
    Where there are no values, Windows' defaults are in force, and nothing is configured.
    """
    assert windows.read_settings() == DEFAULTS


def test_milliseconds(windows: Any, registry: Registry) -> None:
    """
    The registry's milliseconds become seconds; the number of probes is not the registry's.
    """
    registry.values = {
        "KeepAliveTime": (120_000, REG_DWORD),
        "KeepAliveInterval": (30_000, REG_DWORD),
        "TcpMaxDataRetransmissions": (8, REG_DWORD),
    }
    assert windows.read_settings() == Settings(
        time=120,
        interval=30,
        probes=10,
        data_retransmissions=8,
        configured=frozenset({"time", "interval", "data_retransmissions"}),
        platform=Platform.WINDOWS,
    )


def test_default_written_down(windows: Any, registry: Registry) -> None:
    """
    A value that is there is configured, though it be the default.
    """
    registry.values = {"keepalivetime": (7_200_000, REG_DWORD)}
    settings = windows.read_settings()
    assert (settings.time, settings.configured) == (7200, {"time"})


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        pytest.param("KeepAliveTime", 120, 0.12, id="seconds written as milliseconds"),
        pytest.param("KeepAliveTime", 1, 0.001, id="least time"),
        pytest.param("KeepAliveTime", 0xFFFFFFFF, 4294967.295, id="longest time"),
        pytest.param("KeepAliveInterval", 30, 0.03, id="interval as milliseconds"),
        pytest.param("KeepAliveInterval", 0xFFFFFFFF, 4294967.295, id="longest one"),
        pytest.param("TcpMaxDataRetransmissions", 0, 0, id="no repetition"),
        pytest.param("TcpMaxDataRetransmissions", 0xFFFFFFFF, 0xFFFFFFFF, id="most"),
    ],
)
def test_odd_values(windows: Any, registry: Registry, name: str, value: int, told: float) -> None:
    """
    What Windows accepts is told as it is.
    """
    registry.values = {name: (value, REG_DWORD)}
    settings = windows.read_settings()
    assert getattr(settings, SETTINGS[name]) == told
    assert settings.problems == ()


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        pytest.param((0, REG_DWORD), "is 0, but 1 is the least it may be", id="zero"),
        pytest.param(("120000", REG_SZ), "is no REG_DWORD, which is type 4, but 1", id="text"),
        pytest.param((b"\xc0\xd4\1\0", REG_BINARY), "is no REG_DWORD, which is type 4, but 3"),
        pytest.param((None, REG_BINARY), "is no REG_DWORD, which is type 4, but 3", id="empty"),
        pytest.param((["120000"], REG_MULTI_SZ), "is no REG_DWORD, which is type 4, but 7"),
        pytest.param((120_000, REG_QWORD), "is no REG_DWORD, which is type 4, but 11", id="long"),
    ],
)
@pytest.mark.parametrize("name", ["KeepAliveTime", "KeepAliveInterval"])
def test_undocumented(
    windows: Any,
    registry: Registry,
    name: str,
    value: tuple[object, int],
    problem: str,
) -> None:
    """
    What Windows makes of a value is not known where its documentation does not say: nor is the
    setting then. The others are.
    """
    registry.values = {name: value, "TcpMaxDataRetransmissions": (3, REG_DWORD)}
    settings = windows.read_settings()
    assert getattr(settings, SETTINGS[name]) is None
    assert settings.problems == (f"{name} {problem}",)
    assert settings.configured == {SETTINGS[name], "data_retransmissions"}
    assert settings.data_retransmissions == 3


def test_refused_value(windows: Any, registry: Registry) -> None:
    """
    A value that cannot be read is a problem, and not taken for an absent one.
    """
    registry.refused = frozenset({"KeepAliveTime"})
    settings = windows.read_settings()
    assert (settings.time, settings.interval) == (None, 1)
    assert settings.problems == ("cannot read KeepAliveTime: Access is denied",)


@pytest.mark.parametrize(
    "error",
    [PermissionError(5, "Access is denied"), OSError(1018, "The key is marked for deletion")],
    ids=lambda error: type(error).__name__,
)
def test_refused_key(windows: Any, registry: Registry, error: OSError) -> None:
    """
    Without the key only the number of probes is known, which is not in it.
    """
    registry.error = error
    settings = windows.read_settings()
    problem = (
        r"cannot open HKLM\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters:"
        f" {error.strerror}"
    )
    assert settings == Settings(
        None, None, 10, None, frozenset(), (problem,), platform=Platform.WINDOWS
    )


def test_missing_key(windows: Any, registry: Registry) -> None:
    """
    A missing key is not the same as one without values.
    """
    registry.values = None
    (problem,) = windows.read_settings().problems
    assert problem.endswith("The system cannot find the file specified")


def test_read_anew(windows: Any, registry: Registry) -> None:
    """
    Each reading tells what is there then.
    """
    assert windows.read_settings().time == 7200
    registry.values = {"KeepAliveTime": (60_000, REG_DWORD)}
    assert windows.read_settings().time == 60
    registry.values = {}
    assert windows.read_settings().time == 7200

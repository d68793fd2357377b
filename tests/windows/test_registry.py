"""
Settings from a fake Windows registry, with valid, absent and odd values.
"""

import importlib
import re
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
    A registry whose key has values, but none of keepalive.
    """
    return Registry({"Hostname": ("web-1", REG_SZ), "DhcpDomain": ("", REG_SZ)})


@pytest.fixture
def windows(registry: Registry) -> Iterator[Any]:
    """
    The module that reads the registry.
    """
    with on_windows(registry) as module:
        yield module


def test_elsewhere() -> None:
    """
    The module can be imported on Windows only.
    """
    with pytest.raises(ImportError, match="only Windows"):
        importlib.import_module(MODULE)


def test_absent(windows: Any) -> None:
    """
    Absent values mean Windows' defaults, and nothing is configured.
    """
    assert windows.read_settings() == DEFAULTS


def test_milliseconds(windows: Any, registry: Registry) -> None:
    """
    The registry's milliseconds are converted to seconds; the number of probes is fixed.
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
    A value that exists is configured, even if it equals the default.
    """
    registry.values = {"keepalivetime": (7_200_000, REG_DWORD)}
    settings = windows.read_settings()
    assert (settings.time, settings.configured) == (7200, {"time"})


@pytest.mark.parametrize(
    ("name", "value", "expected"),
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
def test_odd_values(
    windows: Any, registry: Registry, name: str, value: int, expected: float
) -> None:
    """
    Values that Windows accepts are reported unmodified.
    """
    registry.values = {name: (value, REG_DWORD)}
    settings = windows.read_settings()
    assert getattr(settings, SETTINGS[name]) == expected
    assert settings.problems == ()


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        pytest.param((0, REG_DWORD), "is 0; .* 1 or more", id="zero"),
        pytest.param(("120000", REG_SZ), "type 1; .* REG_DWORD", id="text"),
        pytest.param((b"\xc0\xd4\1\0", REG_BINARY), "type 3; .* REG_DWORD", id="binary"),
        pytest.param((None, REG_BINARY), "type 3; .* REG_DWORD", id="empty"),
        pytest.param((["120000"], REG_MULTI_SZ), "type 7; .* REG_DWORD", id="list"),
        pytest.param((120_000, REG_QWORD), "type 11; .* REG_DWORD", id="64 bits"),
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
    If Windows' behavior for a value is not documented, the setting is unknown, with a problem. The
    other settings are read.
    """
    registry.values = {name: value, "TcpMaxDataRetransmissions": (3, REG_DWORD)}
    settings = windows.read_settings()
    assert getattr(settings, SETTINGS[name]) is None
    (found,) = settings.problems
    assert re.search(f"^{name} .*{problem}", found)
    assert settings.configured == {SETTINGS[name], "data_retransmissions"}
    assert settings.data_retransmissions == 3


def test_refused_value(windows: Any, registry: Registry) -> None:
    """
    A value that cannot be read is a problem, and does not count as absent.
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
    If the key cannot be opened, only the fixed number of probes is known.
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
    A missing key is a problem, unlike a key without values.
    """
    registry.values = None
    (problem,) = windows.read_settings().problems
    assert problem.endswith("The system cannot find the file specified")


def test_read_again(windows: Any, registry: Registry) -> None:
    """
    Each call reads the current values.
    """
    assert windows.read_settings().time == 7200
    registry.values = {"KeepAliveTime": (60_000, REG_DWORD)}
    assert windows.read_settings().time == 60
    registry.values = {}
    assert windows.read_settings().time == 7200

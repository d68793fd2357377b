"""
Keepalive sysctls of real namespaces, and sysctls that cannot be read.
"""

import sys
from pathlib import Path

import pytest

from exporter.collectors.operating_system import read_settings
from exporter.linux import sysctl as linux
from exporter.model import Settings
from tests.lab import Host, requires_lab

DEFAULTS = Settings(
    time=7200, interval=75, probes=9, data_retransmissions=15, configured=frozenset()
)
FILES = {
    "tcp_keepalive_time": "120\n",
    "tcp_keepalive_intvl": "30\n",
    "tcp_keepalive_probes": "8\n",
    "tcp_retries2": "10\n",
}


@pytest.fixture
def sysctls(tmp_path: Path) -> Path:
    """
    A directory like /proc/sys/net/ipv4.
    """
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    return tmp_path


@requires_lab
def test_new_namespace() -> None:
    """
    A new namespace has the kernel's defaults, none of them configured.
    """
    with Host() as host:
        assert host.call(read_settings) == DEFAULTS


@requires_lab
def test_namespace_of_the_thread() -> None:
    """
    The settings are those of the calling thread's namespace, not of the process.
    """
    with Host() as one, Host() as other:
        one.sysctl("net.ipv4.tcp_keepalive_time", 120)
        other.sysctl("net.ipv4.tcp_keepalive_time", 300)
        times = [host.call(read_settings).time for host in (one, other, one)]
    assert times == [120, 300, 120]


@requires_lab
@pytest.mark.parametrize(
    ("sysctl", "setting", "values"),
    [
        ("tcp_keepalive_time", "time", [120, 1, 0, -1, -8589934, 32768, 8589934]),
        ("tcp_keepalive_intvl", "interval", [30, 1, 0, -1, -8589934, 32768, 8589934]),
        ("tcp_keepalive_probes", "probes", [8, 1, 0, 255]),
    ],
)
def test_odd_values(sysctl: str, setting: str, values: list[int]) -> None:
    """
    Any value that the kernel accepts is reported unmodified and as configured; the other settings
    do not change.
    """
    with Host() as host:
        for value in values:
            assert host.sysctl(f"net.ipv4.{sysctl}", value) == str(value)
            settings = host.call(read_settings)
            assert getattr(settings, setting) == value
            assert settings.configured == {setting}
            assert settings.problems == ()
            others = {"time", "interval", "probes", "data_retransmissions"} - {setting}
            assert {name: getattr(settings, name) for name in others} == {
                name: getattr(DEFAULTS, name) for name in others
            }


@requires_lab
@pytest.mark.parametrize("value", [0, 5, 255])
def test_data_retransmissions(value: int) -> None:
    """
    tcp_retries2 is reported, including odd values, but never as configured.
    """
    with Host() as host:
        host.sysctl("net.ipv4.tcp_retries2", value)
        settings = host.call(read_settings)
    assert settings.data_retransmissions == value
    assert settings.configured == frozenset()


@requires_lab
def test_default_set_again() -> None:
    """
    A setting changed back to the kernel's default is not configured.
    """
    with Host() as host:
        host.sysctl("net.ipv4.tcp_keepalive_time", 120)
        host.sysctl("net.ipv4.tcp_keepalive_time", 7200)
        assert host.call(read_settings) == DEFAULTS


@pytest.mark.parametrize(
    ("missing", "setting"),
    [
        ("tcp_keepalive_time", "time"),
        ("tcp_keepalive_intvl", "interval"),
        ("tcp_keepalive_probes", "probes"),
        ("tcp_retries2", "data_retransmissions"),
    ],
)
def test_missing(sysctls: Path, missing: str, setting: str) -> None:
    """
    A missing sysctl makes its setting unknown and not configured; the others are not affected.
    """
    (sysctls / missing).unlink()
    settings = linux.read_settings(sysctls)
    expected = {"time": 120, "interval": 30, "probes": 8, "data_retransmissions": 10}
    for name, value in expected.items():
        assert getattr(settings, name) == (None if name == setting else value)
    assert settings.configured == {"time", "interval", "probes"} - {setting}
    assert settings.problems == (f"cannot read {sysctls / missing}: No such file or directory",)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "invalid literal for int() with base 10: ''"),
        ("4096\t16384\n", r"invalid literal for int() with base 10: '4096\t16384\n'"),
        ("forever\n", r"invalid literal for int() with base 10: 'forever\n'"),
    ],
)
def test_not_a_number(sysctls: Path, content: str, reason: str) -> None:
    """
    A sysctl that is not a number makes its setting unknown, with a problem.
    """
    file = sysctls / "tcp_keepalive_time"
    file.write_text(content)
    settings = linux.read_settings(sysctls)
    assert settings.time is None
    assert settings.problems == (f"cannot read {file}: {reason}",)


def test_unreadable(sysctls: Path) -> None:
    """
    The problem of a sysctl that cannot be read has the file and the reason.
    """
    file = sysctls / "tcp_keepalive_intvl"
    file.unlink()
    file.mkdir()
    settings = linux.read_settings(sysctls)
    assert settings.interval is None
    assert settings.problems == (f"cannot read {file}: Is a directory",)


def test_nothing_there(tmp_path: Path) -> None:
    """
    Without /proc/sys there is a problem for every setting, and no exception.
    """
    settings = linux.read_settings(tmp_path / "absent")
    assert len(settings.problems) == len(FILES)
    assert settings == Settings(None, None, None, None, frozenset(), settings.problems)


def test_other_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    On an unsupported platform, the problem has the platform and the supported ones.
    """
    monkeypatch.setattr(sys, "platform", "beos")
    (problem,) = read_settings().problems
    assert [name for name in ("beos", "Linux", "Windows") if name not in problem] == []

"""
Findings about settings that do not fit a path's idle timeout.
"""

import re
from dataclasses import replace

import pytest

from exporter.model import Platform, Recommended, Severity
from exporter.text.documentation import documentation
from tests.analysis.findings import AZURE, bad, context, found, linux, path, windows

RECOMMENDED = (120, 30, 8)


@pytest.mark.parametrize(
    ("time", "interval", "probes", "expected"),
    [
        pytest.param(*RECOMMENDED, set(), id="recommended"),
        pytest.param(7200, 75, 9, {"KA001"}, id="Linux defaults"),
        pytest.param(240, 30, 8, {"KA001"}, id="first probe at the timeout"),
        pytest.param(239, 1, 8, {"KA012"}, id="just before it"),
        pytest.param(213, 1, 8, {"KA012"}, id="may be late"),
        pytest.param(212, 1, 8, set(), id="cannot be late"),
        pytest.param(120, 120, 8, {"KA002"}, id="second probe at the timeout"),
        pytest.param(120, 119, 8, set(), id="second probe just before it"),
        pytest.param(120, 30, 1, {"KA002"}, id="no second probe"),
        pytest.param(120, 30, 2, set(), id="two probes are enough"),
        pytest.param(120, 240, 8, {"KA013"}, id="interval at the timeout"),
        pytest.param(120, 239, 8, {"KA012"}, id="interval just before it"),
        pytest.param(240, 240, 8, {"KA001"}, id="both too late: the first probe decides"),
        pytest.param(-1, 30, 8, {"KA001", "KA004"}, id="negative time"),
        pytest.param(120, -1, 8, {"KA004", "KA013"}, id="negative interval"),
        pytest.param(120, 30, 0, {"KA001", "KA014"}, id="no probes"),
    ],
)
def test_one_path(time: int, interval: int, probes: int, expected: set[str]) -> None:
    """
    The warnings on a path with a timeout of 240 s.
    """
    assert bad(context(linux(time, interval, probes), AZURE)) == expected


def test_without_paths() -> None:
    """
    Without paths, Linux' defaults cause no warning.
    """
    assert bad(context(linux(7200, 75, 9, 15))) == set()


def test_unknown() -> None:
    """
    Settings that could not be read cause no warning.
    """
    for settings in (linux(None), linux(interval=None), linux(probes=None)):
        assert bad(context(settings, AZURE)) == set()


@pytest.mark.parametrize(
    ("time", "probes", "reason"),
    [
        (7200, 9, "first probe .* 7200 s"),
        (-1, 9, "time of -1 s, no probe"),
        (120, 0, "0 probes, .* closed after 120 s"),
    ],
)
def test_too_late(time: int, probes: int, reason: str) -> None:
    """
    KA001 has the reason why no probe is in time, and every path with a shorter timeout.
    """
    paths = (path("inbound", 240), path("office", 350.5))
    finding = found(context(linux(time, 75, probes), *paths))["KA001"]
    assert finding.severity is Severity.CRITICAL
    assert re.search(reason, finding.problem)
    assert finding.problem.endswith(" inbound (240 s) and office (350.5 s).")
    assert "`tcp-keepalive-exporter fix --for sysctl`" in finding.remedy
    assert finding.docs == documentation("findings.md#ka001")


def test_only_paths_concerned() -> None:
    """
    The text does not list paths that the settings protect.
    """
    paths = (path("long", 86400), path("short", 240))
    problem = found(context(linux(7200, 75, 9), *paths))["KA001"].problem
    assert "short (240 s)." in problem
    assert "long" not in problem


def test_many_paths() -> None:
    """
    Of many paths, the text lists those with the shortest timeouts.
    """
    paths = [path(f"path-{timeout}", timeout) for timeout in (900, 600, 300, 60, 120)]
    problem = found(context(linux(7200, 75, 9), *paths))["KA001"].problem
    assert problem.endswith("path-60 (60 s), path-120 (120 s), path-300 (300 s) and 2 more.")


@pytest.mark.parametrize(
    ("interval", "probes", "reason"),
    [
        (150, 8, "second probe .* after 270 s"),
        (30, 1, "probes set to 1, no second probe"),
    ],
)
def test_single_probe(interval: int, probes: int, reason: str) -> None:
    """
    KA002 has the reason why only one probe is sent, and when.
    """
    finding = found(context(linux(120, interval, probes), AZURE))["KA002"]
    assert finding.severity is Severity.WARNING
    assert re.search(reason, finding.problem)
    assert "after 120 s," in finding.problem
    assert finding.problem.endswith(" azure (240 s).")


def test_too_close() -> None:
    """
    KA012 has the time at which the probe is due, and the latest time at which it may be sent.
    """
    finding = found(context(linux(230, 1), AZURE))["KA012"]
    assert finding.severity is Severity.WARNING
    assert re.search(r"after 230 s .* after 259 s.* azure \(240 s\)\.$", finding.problem)


@pytest.mark.parametrize(
    ("interval", "reason"),
    [
        pytest.param(300, "After an answered probe, .* interval of 300 s", id="too long"),
        pytest.param(-1, "interval of -1 s, only one probe", id="negative"),
    ],
)
def test_lapses(interval: int, reason: str) -> None:
    """
    KA013 has the reason why only the first probe is in time.
    """
    finding = found(context(linux(120, interval), AZURE))["KA013"]
    assert finding.severity is Severity.CRITICAL
    assert re.search(reason, finding.problem)
    assert finding.problem.endswith(" azure (240 s).")


def test_windows_waits_for_the_time() -> None:
    """
    On Windows the interval applies only to unanswered probes, and timers count as punctual.
    """
    assert bad(context(windows(120_000, 240_000), AZURE)) == {"KA002"}
    assert bad(context(windows(239_000, 500_000), AZURE)) == {"KA002"}
    assert bad(context(windows(238_000), AZURE)) == set()
    assert bad(context(windows(240_000), AZURE)) == {"KA001"}
    assert bad(context(windows(), AZURE)) == {"KA001"}


@pytest.mark.parametrize(
    ("timeout", "values"),
    [
        (133, "time: 66s, interval: 16s, probes: 8"),
        (60, "time: 30s, interval: 7s, probes: 8"),
        (4, "time: 2s, interval: 1s, probes: 8"),
        (3, "time: 1s, interval: 1s, probes: 8"),
        (2, None),
        (0.5, None),
    ],
)
def test_bad_recommended(timeout: float, values: str | None) -> None:
    """
    KA011 warns of recommended values that do not protect a path, and proposes values that do.
    """
    short = path("short", timeout)
    finding = found(context(linux(), AZURE, short))["KA011"]
    assert finding.severity is Severity.WARNING
    assert "120 / 30 / 8" in finding.problem
    assert finding.problem.endswith(f" short ({timeout:g} s).")
    if values is None:
        assert "recommended:" not in finding.remedy
        assert "timeout" in finding.remedy
        return
    assert f"`recommended: {{{values}}}`" in finding.remedy
    time, interval, probes = (int(word.split()[1].rstrip("s"), 10) for word in values.split(","))
    better = Recommended(time, interval, probes)
    given = context(linux(time, interval, probes), AZURE, short, recommended=better)
    assert bad(given) <= {"KA005"}


def test_recommended_values_at_the_boundary() -> None:
    """
    A timeout of 151 s is the shortest, in whole seconds, that the default values protect.
    """
    assert "KA011" in found(context(linux(), path("short", 150)))
    assert "KA011" not in found(context(linux(), path("short", 151)))


def test_bad_recommended_once() -> None:
    """
    Only the host has KA011, but every remedy that uses the recommended values refers to it.
    """
    given = context(linux(7200), path("short", 60), netns="pod", host=linux())
    assert "KA011" not in found(given)
    assert found(given)["KA001"].remedy.startswith("Correct the recommended values first (KA011). ")


@pytest.mark.parametrize(
    ("platform", "netns", "words"),
    [
        (Platform.LINUX, "host", "fix --for sysctl`"),
        (Platform.LINUX, "web", "fix --for kubernetes`"),
        (Platform.LINUX, "web", "fix --for compose`"),
        (Platform.WINDOWS, "host", "fix --for windows-reg`"),
        (Platform.MACOS, "host", "with sysctl"),
    ],
)
def test_remedy(platform: Platform, netns: str, words: str) -> None:
    """
    The remedy fits the platform and the namespace.
    """
    settings = replace(linux(7200), platform=platform)
    assert words in found(context(settings, AZURE, netns=netns))["KA001"].remedy

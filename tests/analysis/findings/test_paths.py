"""
Findings about settings that do not go with a path's idle timeout.
"""

from dataclasses import replace

import pytest

from exporter.model import Platform, Recommended, Severity
from tests.analysis.findings import (
    AZURE,
    bad,
    facts,
    found,
    linux,
    path,
    windows,
)

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
        pytest.param(120, 30, 2, set(), id="two probes suffice"),
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
    On a path that forgets after 240 s.
    """
    assert bad(facts(linux(time, interval, probes), AZURE)) == expected


def test_without_paths() -> None:
    """
    Where no path is known, none is said to forget: Linux' defaults are no warning.
    """
    assert bad(facts(linux(7200, 75, 9, 15))) == set()


def test_unknown() -> None:
    """
    Of settings that could not be read nothing is said.
    """
    for settings in (linux(None), linux(interval=None), linux(probes=None)):
        assert bad(facts(settings, AZURE)) == set()


@pytest.mark.parametrize(
    ("time", "probes", "problem"),
    [
        (7200, 9, "The first probe goes out after 7200 s of idling"),
        (-1, 9, "With a keepalive time of -1 s no probe is ever sent"),
        (120, 0, "With 0 probes an idle connection is ended after 120 s, not probed"),
    ],
)
def test_too_late(time: int, probes: int, problem: str) -> None:
    """
    KA001 says why no probe comes in time, and names every path that forgets before.
    """
    paths = (path("inbound", 240), path("office", 350.5))
    finding = found(facts(linux(time, 75, probes), *paths))["KA001"]
    assert finding.severity is Severity.CRITICAL
    assert finding.problem == (
        f"{problem}, and nothing refreshes the mapping before the idle timeout of inbound (240 s)"
        " and office (350.5 s)."
    )
    assert "`tcp-keepalive-exporter fix --for sysctl`" in finding.remedy
    assert finding.docs == "docs/findings.md#ka001"


def test_only_paths_concerned() -> None:
    """
    Paths that the settings cover are not named.
    """
    paths = (path("long", 86400), path("short", 240))
    problem = found(facts(linux(7200, 75, 9), *paths))["KA001"].problem
    assert "short (240 s)." in problem
    assert "long" not in problem


def test_many_paths() -> None:
    """
    Of many paths those with the shortest timeouts are named.
    """
    paths = [path(f"path-{timeout}", timeout) for timeout in (900, 600, 300, 60, 120)]
    problem = found(facts(linux(7200, 75, 9), *paths))["KA001"].problem
    assert problem.endswith("path-60 (60 s), path-120 (120 s), path-300 (300 s) and 2 more.")


@pytest.mark.parametrize(
    ("interval", "probes", "problem"),
    [
        (150, 8, "The second probe would come after 270 s of idling"),
        (30, 1, "With 1 probe there is no second one"),
    ],
)
def test_single_probe(interval: int, probes: int, problem: str) -> None:
    """
    KA002 says why there is one probe only.
    """
    finding = found(facts(linux(120, interval, probes), AZURE))["KA002"]
    assert finding.severity is Severity.WARNING
    assert finding.problem == (
        f"{problem}: if the first one, after 120 s, is lost on its way, so is the connection. The"
        " idle timeout is that of azure (240 s)."
    )


def test_too_close() -> None:
    """
    KA012 says when the probe may come.
    """
    finding = found(facts(linux(230, 1), AZURE))["KA012"]
    assert finding.severity is Severity.WARNING
    assert finding.problem == (
        "Probes are due after 230 s of idling, but the kernel's timers may fire an eighth later,"
        " after 259 s: too late for the idle timeout of azure (240 s)."
    )


@pytest.mark.parametrize(
    ("interval", "problem"),
    [
        pytest.param(
            300,
            "After a probe that was answered Linux waits for the interval, 300 s, before the next"
            " one",
            id="too long",
        ),
        pytest.param(-1, "With an interval of -1 s the first probe is the only one", id="negative"),
    ],
)
def test_lapses(interval: int, problem: str) -> None:
    """
    KA013 says why the first probe alone is in time.
    """
    finding = found(facts(linux(120, interval), AZURE))["KA013"]
    assert finding.severity is Severity.CRITICAL
    assert finding.problem == (
        f"{problem}, and nothing refreshes the mapping before the idle timeout of azure (240 s)."
    )


def test_windows_waits_for_the_time() -> None:
    """
    On Windows the interval is for probes that go unanswered, and timers are taken to be punctual.
    """
    assert bad(facts(windows(120_000, 240_000), AZURE)) == {"KA002"}
    assert bad(facts(windows(239_000, 500_000), AZURE)) == {"KA002"}
    assert bad(facts(windows(238_000), AZURE)) == set()
    assert bad(facts(windows(240_000), AZURE)) == {"KA001"}
    assert bad(facts(windows(), AZURE)) == {"KA001"}


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
    KA011 warns of recommended values that would not protect a path, and names some that would.
    """
    short = path("short", timeout)
    finding = found(facts(linux(), AZURE, short))["KA011"]
    assert finding.severity is Severity.WARNING
    assert finding.problem == (
        "The recommended values, 120 / 30 / 8, would not send two probes in time for the idle"
        f" timeout of short ({timeout:g} s)."
    )
    if values is None:
        assert finding.remedy == "No values in whole seconds would. Raise the path's timeout."
        return
    assert finding.remedy == (
        f"Recommend others in the config file, such as `recommended: {{{values}}}`."
    )
    time, interval, probes = (int(word.split()[1].rstrip("s"), 10) for word in values.split(","))
    better = Recommended(time, interval, probes)
    given = facts(linux(time, interval, probes), AZURE, short, recommended=better)
    assert bad(given) <= {"KA005"}


def test_recommended_values_at_the_boundary() -> None:
    """
    A timeout of 151 s is the shortest in whole seconds before which they send two probes.
    """
    assert "KA011" in found(facts(linux(), path("short", 150)))
    assert "KA011" not in found(facts(linux(), path("short", 151)))


def test_bad_recommended_once() -> None:
    """
    It is said of the host alone, but every remedy that builds on the recommended values says it.
    """
    given = facts(linux(7200), path("short", 60), netns="pod", host=linux())
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
    The remedy is one for the platform and the namespace.
    """
    settings = replace(linux(7200), platform=platform)
    assert words in found(facts(settings, AZURE, netns=netns))["KA001"].remedy

"""
Properties of all findings together.
"""

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from exporter.analysis.coverage import protects
from exporter.analysis.findings import RULES, find_all
from exporter.model import (
    HOST_NETNS,
    Counters,
    NamespaceReading,
    Path,
    Platform,
    Recommended,
    Settings,
    Severity,
    StaleTimers,
)
from tests.analysis.findings import AZURE, bad, context, found, linux, path, windows

UNPROTECTED = {"KA001", "KA013"}

ODD = st.sampled_from((-(2**31), -1, 0, 1, 2, 30, 75, 120, 240, 7200, 32767, 32768, 2**31 - 1))
MILLISECONDS = st.integers(0, 2**32 - 1).map(lambda milliseconds: milliseconds / 1000)
TIMES = ODD | st.integers(-(2**31), 2**31 - 1) | MILLISECONDS | st.none()
PATHS = st.lists(st.floats(0.001, 1e8) | st.sampled_from((60, 240, 350))).map(
    lambda timeouts: tuple(path(f"path-{number}", each) for number, each in enumerate(timeouts))
)
SETTINGS = st.builds(
    Settings,
    time=TIMES,
    interval=TIMES,
    probes=st.integers(0, 255) | st.none(),
    data_retransmissions=st.integers(0, 2**32 - 1) | st.none(),
    configured=st.frozensets(
        st.sampled_from(("time", "interval", "probes", "data_retransmissions"))
    ),
    platform=st.sampled_from(Platform),
)
RECOMMENDED = st.builds(
    Recommended, time=st.integers(1, 9999), interval=st.integers(1, 9999), probes=st.integers(1, 99)
)


def test_ids() -> None:
    """
    Ids count up from KA001, and titles are unique.
    """
    assert [rule.id for rule in RULES] == [f"KA{number + 1:03}" for number in range(len(RULES))]
    assert len({rule.title for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.unless <= {other.id for other in RULES} - {rule.id}


def test_recommended_host() -> None:
    """
    With the recommended settings and Linux' default tcp_retries2, KA010 is the only finding.
    """
    assert set(found(context(linux(retries=15), AZURE))) == {"KA010"}
    assert found(context(windows(120_000, 30_000), AZURE)) == {}


def test_default_host() -> None:
    """
    Linux' defaults are critical on a path with a shorter timeout, and no warning without a path.
    """
    defaults = linux(7200, 75, 9, 15)
    assert set(found(context(defaults, AZURE))) == {"KA001", "KA010"}
    assert set(found(context(defaults))) == {"KA003", "KA010"}


@given(SETTINGS, SETTINGS, RECOMMENDED, PATHS, st.sampled_from((HOST_NETNS, "web")))
def test_any_settings(
    settings: Settings,
    host: Settings,
    recommended: Recommended,
    paths: tuple[Path, ...],
    netns: str,
) -> None:
    """
    For any settings, findings are sentences in order of severity and agree with `path_protected`.
    """
    stale = StaleTimers(late=1, harmless=2)
    given = context(
        settings, *paths, netns=netns, host=host, recommended=recommended, stale_timers=stale
    )
    findings = found(given)
    unprotected = any(protects(settings, each.idle_timeout) is False for each in paths)
    assert bool(UNPROTECTED & set(findings)) == unprotected

    severities = [list(Severity).index(each.severity) for each in findings.values()]
    assert all(earlier <= later for earlier, later in pairwise(severities))
    for finding in findings.values():
        for text in (finding.problem, finding.remedy):
            assert text[0].isupper() or text[0] == "`"
            assert text.endswith(".")
            assert "None" not in text
            assert "e+" not in text


@given(RECOMMENDED, PATHS)
def test_as_recommended(recommended: Recommended, paths: tuple[Path, ...]) -> None:
    """
    A host configured as recommended has no warnings, unless the recommended values are bad (KA011).
    """
    settings = linux(recommended.time, recommended.interval, recommended.probes, 15)
    warnings = bad(context(settings, *paths, recommended=recommended))
    assert not warnings or "KA011" in warnings


def test_all_namespaces() -> None:
    """
    Each namespace has its own findings, in the order given.
    """
    settings = {HOST_NETNS: linux(), "web": linux(7200), "db": linux()}
    readings = {"db": NamespaceReading(Counters(0, 0, 0), 0, StaleTimers(late=1))}
    findings = find_all(settings, readings, Recommended(), (AZURE,))
    ids = [(finding.netns, finding.id) for finding in findings]
    assert ids == [("web", "KA001"), ("web", "KA008"), ("db", "KA009")]


def test_host_not_readable() -> None:
    """
    Without the host's settings, the other namespaces still have findings.
    """
    unknown = replace(linux(None, None, None, None), problems=("cannot read it",))
    for settings in ({"web": linux(7200)}, {HOST_NETNS: unknown, "web": linux(7200)}):
        findings = find_all(settings, {}, Recommended(), (AZURE,))
        assert [(finding.netns, finding.id) for finding in findings] == [("web", "KA001")]


def test_nothing_read() -> None:
    """
    Without settings there are no findings.
    """
    assert find_all({}, {}, Recommended(), (AZURE,)) == ()

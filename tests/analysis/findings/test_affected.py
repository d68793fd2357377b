"""
The severity of findings in other namespaces follows their connections.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.analysis.findings import RULES, find_all
from exporter.model import (
    HOST_NETNS,
    NO_PATH,
    Counters,
    Exposure,
    NamespaceReading,
    Recommended,
    Settings,
    Severity,
    StaleTimers,
)
from tests.analysis.findings import AZURE, bad, context, found, linux, path

OFFICE = path("office", 3600.0)
NOTHING = Exposure()
ON_AZURE = Exposure(dependent=1, by_path={AZURE.name: 1})
ON_NO_PATH = Exposure(dependent=1, by_path={NO_PATH: 1})
AT_RISK = Exposure(dependent=0, by_path={AZURE.name: 1})
ABOUT_PATHS = {
    "KA001": linux(7200),
    "KA002": linux(probes=1),
    "KA012": linux(239, 1),
    "KA013": linux(interval=240),
}
ABOUT_VALUES = {"KA004": linux(0), "KA005": linux(2, 2), "KA014": linux(interval=0)}
SEVERITY = {rule.id: rule.severity for rule in RULES}
WRONG = pytest.mark.parametrize(("number", "settings"), [*(ABOUT_PATHS | ABOUT_VALUES).items()])


@WRONG
@pytest.mark.parametrize("exposure", [None, NOTHING, ON_AZURE])
def test_host(number: str, settings: Settings, exposure: Exposure | None) -> None:
    """
    Findings about the host's own namespace keep their severity, whatever its connections.
    """
    assert SEVERITY[number] is not Severity.INFO
    here = found(context(settings, AZURE, netns=HOST_NETNS, exposure=exposure))
    assert here[number].severity is SEVERITY[number]
    assert "affected" not in here[number].problem


@WRONG
@pytest.mark.parametrize("exposure", [None, ON_AZURE])
def test_exposed(number: str, settings: Settings, exposure: Exposure | None) -> None:
    """
    With a connection that depends on the settings, or with unknown connections, a finding about
    another namespace keeps its severity.
    """
    there = found(context(settings, AZURE, netns="web", exposure=exposure))
    assert there[number].severity is SEVERITY[number]
    assert "affected" not in there[number].problem


@WRONG
def test_not_exposed(number: str, settings: Settings) -> None:
    """
    Without a connection that depends on the settings, it has severity info, and says why.
    """
    there = found(context(settings, AZURE, netns="web", exposure=NOTHING))
    assert there[number].severity is Severity.INFO
    assert there[number].problem.endswith(" No open connection is affected.")
    assert not bad(context(settings, AZURE, netns="web", exposure=NOTHING))


@pytest.mark.parametrize("exposure", [ON_NO_PATH, AT_RISK])
def test_paths_and_values(exposure: Exposure) -> None:
    """
    Connections on no path are affected by wrong values alone; connections at risk that do not
    depend on the settings, only by findings about their path.
    """
    at_risk = exposure is AT_RISK
    for number, settings in ABOUT_PATHS.items():
        assert (number in bad(context(settings, AZURE, netns="web", exposure=exposure))) == at_risk
    for number, settings in ABOUT_VALUES.items():
        there = bad(context(settings, AZURE, netns="web", exposure=exposure))
        assert (number in there) == (not at_risk)


@pytest.mark.parametrize(("time", "affected"), [(300, False), (7200, True)])
def test_only_its_paths(time: float, affected: bool) -> None:
    """
    A connection on a path counts for findings about that path, not for those about others.
    """
    on_office = Exposure(dependent=1, by_path={OFFICE.name: 1})
    given = context(linux(time), AZURE, OFFICE, netns="web", exposure=on_office)
    assert (bad(given) == {"KA001"}) == affected
    assert "KA001" in found(given)


def test_late_connections() -> None:
    """
    KA009 counts connections itself: it keeps its severity.
    """
    given = context(linux(), AZURE, netns="web", stale_timers=StaleTimers(late=1), exposure=NOTHING)
    assert bad(given) == {"KA009"}


def test_readings() -> None:
    """
    The exposure comes from the namespace's reading; without one it is unknown.
    """
    settings = {HOST_NETNS: linux(), "empty": linux(7200), "used": linux(7200), "new": linux(7200)}
    readings = {
        netns: NamespaceReading(Counters(0, 0, 0), 0, exposure=exposure)
        for netns, exposure in ((HOST_NETNS, NOTHING), ("empty", NOTHING), ("used", ON_AZURE))
    }
    findings = find_all(settings, readings, Recommended(), (AZURE,))
    severities = {each.netns: each.severity for each in findings if each.id == "KA001"}
    assert severities == {
        "empty": Severity.INFO,
        "used": Severity.CRITICAL,
        "new": Severity.CRITICAL,
    }


@given(
    st.sampled_from([*(ABOUT_PATHS | ABOUT_VALUES).values(), linux(-1), linux(probes=0)]),
    st.sampled_from([NOTHING, ON_AZURE, ON_NO_PATH, AT_RISK]),
)
def test_same_findings(settings: Settings, exposure: Exposure) -> None:
    """
    Exposure changes severities, not which findings there are.
    """
    unknown = found(context(settings, AZURE, netns="web"))
    assert found(context(settings, AZURE, netns="web", exposure=exposure)).keys() == unknown.keys()


@pytest.mark.parametrize(
    ("netns", "target", "other"),
    [
        ("shop/web-0", "kubernetes", "compose"),
        ("shop/web-0 net:[4026532246]", "kubernetes", "compose"),
        ("0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f", "kubernetes", "compose"),
        ("0a1b2c3d4e5f60718293a4b5c6d7e8f9", "kubernetes", "compose"),
        ("0a1b2c3d4e5f", "compose", "kubernetes"),
        ("0a1b2c3d4e5f net:[4026532246]", "compose", "kubernetes"),
        ("0a1b2c3d4e5f-web", "kubernetes", None),
        ("web", "kubernetes", None),
        ("web", "compose", None),
        ("net:[4026532246]", "sysctl", None),
    ],
)
def test_target(netns: str, target: str, other: str | None) -> None:
    """
    The remedy names the target of `fix` for the kind of namespace, or all if the kind is unknown.
    """
    remedy = found(context(linux(7200), AZURE, netns=netns))["KA001"].remedy
    assert f"fix --for {target}`" in remedy
    assert other is None or other not in remedy

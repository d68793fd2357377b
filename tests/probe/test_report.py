"""
What follows from a measurement for this host, and for the config file.
"""

from dataclasses import replace
from pathlib import Path as FilePath

import pytest

from exporter.config.schema import load
from exporter.model import Direction, OnTimeout, Path, Recommended, Settings
from exporter.paths.matching import PROFILES, Profile
from exporter.probe.measurement import Measurement
from exporter.probe.outcome import Fate
from exporter.probe.report import Configured, advice, comparison, measured_path, path_entry
from exporter.probe.target import Address
from tests.analysis.findings import linux
from tests.probe.outcomes import measurement, outcome, outcomes

AZURE = PROFILES[Profile.AZURE]
FORGETS = measurement(*outcomes(235.4, died=(240, 240)))
REMEMBERS = measurement(*outcomes(600))
NOTHING = measurement(outcome(Fate.CLOSED, 0.1, planned=30))
SERVER6 = Address(10, ("2001:db8::10", 443, 0, 0))


def configured(settings: Settings) -> Configured:
    """
    A host with these settings, otherwise as it comes.
    """
    return Configured(settings, Recommended(), AZURE)


def test_protected() -> None:
    """
    The recommended settings protect a path of 235 s, and a host that has them is told so.
    """
    to_do = advice(FORGETS, configured(linux()))
    assert to_do is not None
    assert to_do.protecting == Recommended()
    assert to_do.is_protected
    assert to_do.problem == ""


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (
            linux(7200, 75, 9),
            "The first probe goes out after 7200 s of idling, and nothing refreshes the mapping",
        ),
        (linux(230, 30, 8), "Probes are due after 230 s of idling, but the kernel's timers may"),
        (linux(200, 60, 8), "The second probe would come after 260 s of idling: if the first one"),
        (linux(60, 300, 8), "After a probe that was answered Linux waits for the interval, 300 s"),
    ],
)
def test_not_protected(settings: Settings, problem: str) -> None:
    """
    What a host's own settings lack is told with the numbers.
    """
    to_do = advice(FORGETS, configured(settings))
    assert to_do is not None
    assert to_do.is_protected is False
    assert to_do.problem.startswith(problem)
    assert to_do.remedy.startswith(
        "`tcp-keepalive-exporter fix --for sysctl --time=120s --interval=30s --probes=8` prints"
    )


def test_unknown_settings() -> None:
    """
    Settings that cannot be read are not judged.
    """
    to_do = advice(FORGETS, configured(linux(None)))
    assert to_do is not None
    assert to_do.is_protected is None


def test_better_than_recommended() -> None:
    """
    For a shorter timeout than the recommended settings are made for there are others.
    """
    to_do = advice(measurement(*outcomes(60, died=(65, 65))), configured(linux()))
    assert to_do is not None
    assert to_do.protecting == Recommended(time=30, interval=7, probes=8)
    assert to_do.is_protected is False


def test_no_seconds_protect() -> None:
    """
    No whole seconds would do for a timeout of one.
    """
    to_do = advice(measurement(*outcomes(1.2, died=(2, 2))), configured(linux()))
    assert to_do is not None
    assert to_do.protecting is None
    assert to_do.remedy == "Raise the path's timeout."


@pytest.mark.parametrize("found", [REMEMBERS, NOTHING])
def test_nothing_to_protect(found: Measurement) -> None:
    """
    Where nothing has died, or nothing is known, there is no advice.
    """
    assert advice(found, configured(linux(7200))) is None


def test_comparison() -> None:
    """
    The path that connections to the server cross, and whether its timeout can be right.
    """
    assert comparison(FORGETS, AZURE) == (
        "path azure-outbound: 240 s, which does not contradict that"
    )
    assert comparison(measurement(*outcomes(60, died=(65, 65))), AZURE) == (
        "path azure-outbound: 240 s, too long, connections die sooner"
    )
    assert comparison(REMEMBERS, AZURE) == (
        "path azure-outbound: 240 s, shorter than it is, connections are safer than configured"
    )
    private = measurement(*outcomes(60), address=Address(2, ("10.0.0.1", 443)))
    assert comparison(private, AZURE) is None


def test_entry_loads(tmp_path: FilePath) -> None:
    """
    The entries can be put into the config file as they are.
    """
    six = measurement(*outcomes(8.9), *[outcome(Fate.RESET, 10)] * 2, address=SERVER6)
    file = tmp_path / "config.yml"
    file.write_text("paths:\n" + path_entry(FORGETS, AZURE) + path_entry(six, AZURE))
    host, host6 = "203.0.113.10", "2001:db8::10"
    assert load(file).paths[:2] == (
        Path("to-203.0.113.10", Direction.OUTBOUND, (host,), 235.0, OnTimeout.DROP),
        Path("to-2001-db8--10", Direction.OUTBOUND, (host6,), 8.0, OnTimeout.RESET),
    )
    assert "between 235.4 s and 240 s, silently" in file.read_text()


def test_entry_keeps_name() -> None:
    """
    A path that is configured for this server alone keeps its name; one for many is left alone.
    """
    own = replace(AZURE[0], name="database", remote=("203.0.113.10/32",))
    wide = replace(AZURE[0], name="office", remote=("203.0.113.0/24",))
    names = [measured_path(FORGETS, (path, *AZURE)) for path in (own, wide)]
    assert [path.name for path in names if path] == ["database", "to-203.0.113.10"]


def test_no_entry() -> None:
    """
    Where nothing is known, a comment says so.
    """
    assert path_entry(NOTHING, AZURE) == (
        "  # db.example.com:5432: Nothing is known of this path: the server closes idle clients by"
        " itself, after 0.1 s.\n"
    )

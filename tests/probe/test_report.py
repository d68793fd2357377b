"""
Conclusions from a measurement for this host and the config file.
"""

from dataclasses import replace
from pathlib import Path as FilePath

import pytest

from exporter.config.schema import load
from exporter.model import Direction, OnTimeout, Path, Recommended, Settings
from exporter.paths.profiles import PROFILES, Profile
from exporter.probe.inference import OutcomeKind
from exporter.probe.measurement import Measurement
from exporter.probe.report import Configured, advice, comparison, measured_path, path_entry
from exporter.probe.target import Address
from tests.analysis.findings import linux
from tests.probe.outcomes import measurement, outcome, outcomes

AZURE = PROFILES[Profile.AZURE]
DROPS = measurement(*outcomes(235.4, dropped=(240, 240)))
SURVIVES = measurement(*outcomes(600))
NOTHING = measurement(outcome(OutcomeKind.CLOSED, 0.1, planned=30))
SERVER6 = Address(10, ("2001:db8::10", 443, 0, 0))


def configured(settings: Settings) -> Configured:
    """
    A host with these settings and default configuration.
    """
    return Configured(settings, Recommended(), AZURE)


def test_protected() -> None:
    """
    The recommended settings protect a path of 235 s.
    """
    advised = advice(DROPS, configured(linux()))
    assert advised is not None
    assert advised.protecting == Recommended()
    assert advised.is_protected
    assert advised.problem == ""


@pytest.mark.parametrize(
    ("settings", "value"),
    [
        (linux(7200, 75, 9), "7200 s"),
        (linux(230, 30, 8), "230 s"),
        (linux(200, 60, 8), "260 s"),
        (linux(60, 300, 8), "300 s"),
    ],
)
def test_not_protected(settings: Settings, value: str) -> None:
    """
    Insufficient settings of a host are reported with numbers and a remedy.
    """
    advised = advice(DROPS, configured(settings))
    assert advised is not None
    assert advised.is_protected is False
    assert value in advised.problem
    assert advised.remedy.startswith(
        "`tcp-keepalive-exporter fix --for sysctl --time=120s --interval=30s --probes=8`"
    )


def test_unknown_settings() -> None:
    """
    Unreadable settings are not judged.
    """
    advised = advice(DROPS, configured(linux(None)))
    assert advised is not None
    assert advised.is_protected is None


def test_better_than_recommended() -> None:
    """
    For a short timeout, shorter settings than the recommended ones are advised.
    """
    advised = advice(measurement(*outcomes(60, dropped=(65, 65))), configured(linux()))
    assert advised is not None
    assert advised.protecting == Recommended(time=30, interval=7, probes=8)
    assert advised.is_protected is False


def test_no_seconds_protect() -> None:
    """
    No settings in whole seconds protect a path with a timeout of 1 s.
    """
    advised = advice(measurement(*outcomes(1.2, dropped=(2, 2))), configured(linux()))
    assert advised is not None
    assert advised.protecting is None
    assert "fix" not in advised.remedy


@pytest.mark.parametrize("found", [SURVIVES, NOTHING])
def test_nothing_to_protect(found: Measurement) -> None:
    """
    Without both bounds there is no advice.
    """
    assert advice(found, configured(linux(7200))) is None


def test_comparison() -> None:
    """
    The configured timeout is compared with the measured bounds.
    """
    shorter = measurement(*outcomes(60, dropped=(65, 65)))
    for found, verdict in ((DROPS, "consistent"), (shorter, "too long"), (SURVIVES, "shorter")):
        words = comparison(found, AZURE) or ""
        assert words.startswith(f"path azure-outbound: 240 s, {verdict}")
    private = measurement(*outcomes(60), address=Address(2, ("10.0.0.1", 443)))
    assert comparison(private, AZURE) is None


def test_entry_loads(tmp_path: FilePath) -> None:
    """
    The entries are valid in the config file.
    """
    six = measurement(*outcomes(8.9), *[outcome(OutcomeKind.RESET, 10)] * 2, address=SERVER6)
    file = tmp_path / "config.yml"
    file.write_text("paths:\n" + path_entry(DROPS, AZURE) + path_entry(six, AZURE))
    host, host6 = "203.0.113.10", "2001:db8::10"
    assert load(file).paths[:2] == (
        Path("to-203.0.113.10", Direction.OUTBOUND, (host,), 235.0, OnTimeout.DROP),
        Path("to-2001-db8--10", Direction.OUTBOUND, (host6,), 8.0, OnTimeout.RESET),
    )
    assert "between 235.4 s and 240 s" in file.read_text()


def test_entry_keeps_name() -> None:
    """
    The entry has the name of a configured path only if that path is for this server alone.
    """
    own = replace(AZURE[0], name="database", remote=("203.0.113.10/32",))
    wide = replace(AZURE[0], name="office", remote=("203.0.113.0/24",))
    names = [measured_path(DROPS, (path, *AZURE)) for path in (own, wide)]
    assert [path.name for path in names if path] == ["database", "to-203.0.113.10"]


def test_no_entry() -> None:
    """
    Without a result, the entry is only a comment with the reason.
    """
    (line,) = path_entry(NOTHING, AZURE).splitlines()
    assert line.startswith("  # db.example.com:5432: ")
    assert line.endswith("the server closes idle connections after 0.1 s.")

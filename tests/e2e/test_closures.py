"""
What becomes of connections through a NAT that forgets, and what the exporter says about it.
"""

import pytest

from tests.e2e.exporting import table
from tests.e2e.fates import Scenario
from tests.e2e.scenario_runner import (
    PLACES,
    Place,
    Play,
    play_all,
)
from tests.e2e.scenarios import SCENARIOS
from tests.lab import LAB_MARKS

pytestmark = LAB_MARKS

SPELL_TOLERANCE = 0.5 + 0.25
"""Seconds: one sampling interval, and what the kernel's timer wheel may be late."""

Plays = dict[tuple[Scenario, Place], Play]


@pytest.fixture(scope="module")
def plays() -> Plays:
    """
    Everything, played side by side.
    """
    return {(play.scenario, play.place): play for play in play_all(SCENARIOS)}


def in_seconds(spells: dict[str, float]) -> str:
    """
    Idle spells for the table.
    """
    return ", ".join(f"{spells[reason]:.2f}" for reason in sorted(spells)) or "-"


def agree(play: Play) -> bool:
    """
    Whether the exporter says what has happened.
    """
    return play.expected == play.seen and play.seen_spells == pytest.approx(
        play.true_spells, rel=0, abs=SPELL_TOLERANCE
    )


def test_table(plays: Plays, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Every cell of the table agrees with what was to happen.
    """
    heads = ("scenario", "NAT", "expected", "seen", "idle s", "seen", "")
    rows = [
        (
            play.scenario.name,
            play.place,
            play.expected,
            play.seen if play.seen != play.expected else "the same",
            in_seconds(play.true_spells),
            in_seconds(play.seen_spells),
            "" if agree(play) else "DIFFERS",
        )
        for play in plays.values()
    ]
    with capsys.disabled():
        print(f"\n{table(heads, rows)}")
    assert all(agree(play) for play in plays.values())


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_at_risk(plays: Plays, place: Place) -> None:
    """
    In the end those alone are at risk that have died without knowing.
    """
    here = [play for play in plays.values() if play.place == place]
    at_risk = here[0].scrape.total("at_risk_connections")
    assert at_risk == sum(play.ends.result().unaware for play in here)


@pytest.mark.parametrize("place", PLACES, ids=str)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.path)
class TestScenario:
    """
    One scenario at one kind of NAT, over one address family.
    """

    def test_outcome(self, plays: Plays, scenario: Scenario, place: Place) -> None:
        """
        Closures and idle drops are counted by reason, and what hangs is shown while it does.
        """
        play = plays[scenario, place]
        assert play.seen == play.expected

    def test_idle_spell(self, plays: Plays, scenario: Scenario, place: Place) -> None:
        """
        The idle spells before the ends are within one sampling interval of the truth.
        """
        play = plays[scenario, place]
        assert play.seen_spells == pytest.approx(play.true_spells, rel=0, abs=SPELL_TOLERANCE)

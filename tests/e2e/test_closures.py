"""
Closures of connections through a NAT with an idle timeout, as the exporter counts them.
"""

import pytest

from tests.e2e.exporting import table
from tests.e2e.scenario_registry import Scenario
from tests.e2e.scenario_runner import VARIANTS, ScenarioRun, Variant, run_all
from tests.e2e.scenarios import SCENARIOS
from tests.lab import LAB_MARKS

pytestmark = [*LAB_MARKS, pytest.mark.timeout(300)]

TIMER_DELAY = 0.25
"""Maximum delay of the kernel's timer wheel in seconds."""

ScenarioRuns = dict[tuple[Scenario, Variant], ScenarioRun]


@pytest.fixture(scope="module")
def runs() -> ScenarioRuns:
    """
    All scenarios, run in parallel.
    """
    return {(run.scenario, run.variant): run for run in run_all(SCENARIOS)}


def in_seconds(spells: dict[str, float]) -> str:
    """
    Idle times for the table.
    """
    return ", ".join(f"{spells[reason]:.2f}" for reason in sorted(spells)) or "-"


def agree(run: ScenarioRun) -> bool:
    """
    Whether the exporter's metrics agree with the actual endings.
    """
    return run.expected == run.exported and run.exported_idle_times == true_idle_times(run)


def true_idle_times(run: ScenarioRun) -> object:
    """
    The actual idle times, with a tolerance of the longest sampling interval of the run.
    """
    tolerance = run.longest_gap + TIMER_DELAY
    return pytest.approx(run.true_idle_times, rel=0, abs=tolerance)


def test_table(runs: ScenarioRuns, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Every row of the table agrees with the expected outcome.
    """
    heads = ("scenario", "NAT", "expected", "exported", "idle s", "exported", "")
    rows = [
        (
            run.scenario.name,
            run.variant,
            run.expected,
            run.exported if run.exported != run.expected else "the same",
            in_seconds(run.true_idle_times),
            in_seconds(run.exported_idle_times),
            "" if agree(run) else "DIFFERS",
        )
        for run in runs.values()
    ]
    with capsys.disabled():
        print(f"\n{table(heads, rows)}")
    assert all(agree(run) for run in runs.values())


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_at_risk(runs: ScenarioRuns, variant: Variant) -> None:
    """
    At the end, only undetected drops are at risk.
    """
    here = [run for run in runs.values() if run.variant == variant]
    at_risk = here[0].scrape.total("at_risk_connections")
    assert at_risk == sum(run.ends.result().undetected for run in here)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.path)
class TestScenario:
    """
    One scenario with one kind of NAT and one address family.
    """

    def test_outcome(self, runs: ScenarioRuns, scenario: Scenario, variant: Variant) -> None:
        """
        Closures and idle drops are counted by reason, and hanging connections were shown as
        stalled.
        """
        run = runs[scenario, variant]
        assert run.exported == run.expected

    def test_idle_spell(self, runs: ScenarioRuns, scenario: Scenario, variant: Variant) -> None:
        """
        The exported idle times are within one sampling interval of the actual ones.
        """
        run = runs[scenario, variant]
        assert run.exported_idle_times == true_idle_times(run)

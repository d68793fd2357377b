"""
Progress of `probe` without a terminal: one line per outcome, on standard error.
"""

import time
from collections.abc import Iterator, Sequence

import click

from exporter.probe.format import seconds
from exporter.probe.inference import Outcome, OutcomeKind
from exporter.probe.measurement import Measurement, ProbeResult, Unreachable

OUTCOME_WORDS = {
    OutcomeKind.ANSWERED: "answered",
    OutcomeKind.SILENT: "no answer",
    OutcomeKind.RESET: "answered with a reset",
    OutcomeKind.RESET_UNASKED: "reset before any probe",
    OutcomeKind.CLOSED: "closed by the server",
    OutcomeKind.SPOKE: "server sent data or a probe",
}


class LineReporter:
    """
    Prints one line per outcome.
    """

    def __init__(self) -> None:
        self._began_at = time.monotonic()

    def begin(self, found: Sequence[ProbeResult]) -> None:
        """
        Print what is measured, and the maximum duration.
        """
        self._began_at = time.monotonic()
        for line in introduction(found):
            click.echo(line, err=True)

    def tell(self, found: Measurement, outcome: Outcome) -> None:
        """
        Print an outcome.
        """
        at = f"{time.monotonic() - self._began_at:7.1f} s"
        idle = f"idle for {seconds(outcome.at_least)}"
        click.echo(f"{at}  {found.target.name}  {idle}: {OUTCOME_WORDS[outcome.kind]}", err=True)


def clock(left: float) -> str:
    """
    Seconds as M:SS.
    """
    minutes, rest = divmod(round(left), 60)
    return f"{minutes}:{rest:02}"


def introduction(found: Sequence[ProbeResult]) -> Iterator[str]:
    """
    Lines that state what is measured, and the maximum duration.
    """
    for each in found:
        if isinstance(each, Unreachable):
            yield f"{each.target.name}: {each.reason}"
        else:
            host = each.address.host
            known = "" if host in each.target.name else f" is {host}"
            yield f"{each.target.name}{known}, from {each.own_address}"
    plans = [each.plan for each in found if isinstance(each, Measurement)]
    if plans:
        yield (
            f"{sum(plan.connections for plan in plans)} concurrent connections,"
            f" {clock(plans[0].seconds)} minutes at most. Ctrl-C stops early."
        )

"""
How `probe` fares, where no terminal is: a line for each outcome, on standard error.
"""

import time
from collections.abc import Iterator, Sequence

import click

from exporter.probe.format import seconds
from exporter.probe.measurement import Found, Measurement, Unreachable
from exporter.probe.outcome import Fate, Outcome

FATES = {
    Fate.ANSWERED: "answered",
    Fate.SILENT: "no answer",
    Fate.RESET: "answered with a reset",
    Fate.RESET_UNASKED: "reset, without having been probed",
    Fate.CLOSED: "closed by the server",
    Fate.SPOKE: "the server itself sends something",
}


class Lines:
    """
    A line for each outcome.
    """

    def __init__(self) -> None:
        self._began_at = time.monotonic()

    def begin(self, found: Sequence[Found]) -> None:
        """
        Say what is measured, and how long that takes.
        """
        self._began_at = time.monotonic()
        for line in introduction(found):
            click.echo(line, err=True)

    def tell(self, found: Measurement, outcome: Outcome) -> None:
        """
        Say what is known.
        """
        at = f"{time.monotonic() - self._began_at:7.1f} s"
        idle = f"idle for {seconds(outcome.at_least)}"
        click.echo(f"{at}  {found.target.name}  {idle}: {FATES[outcome.fate]}", err=True)


def clock(left: float) -> str:
    """
    Seconds as minutes and seconds.
    """
    minutes, rest = divmod(round(left), 60)
    return f"{minutes}:{rest:02}"


def introduction(found: Sequence[Found]) -> Iterator[str]:
    """
    What is measured, and how long that takes.
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
            f"{sum(plan.connections for plan in plans)} connections at once and"
            f" {clock(plans[0].seconds)} minutes at most; Ctrl-C ends it sooner."
        )

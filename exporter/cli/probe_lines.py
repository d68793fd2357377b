"""
How `probe` fares, where no terminal is: a line for each outcome, on standard error.
"""

import time
from collections.abc import Iterator, Sequence

import click

from exporter.cli.text import duration
from exporter.probe.measurement import Measurement
from exporter.probe.outcome import Fate, Outcome
from exporter.probe.session import Unreachable
from exporter.probe.words import seconds

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

    def begin(self, found: "Sequence[Measurement | Unreachable]") -> None:
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


def introduction(found: "Sequence[Measurement | Unreachable]") -> Iterator[str]:
    """
    What is measured, and how long that takes.
    """
    for each in found:
        if isinstance(each, Unreachable):
            yield f"{each.target.name}: {each.reason}"
        else:
            yield f"{each.target.name} is {each.address.host}, from {each.own_address}."
    plans = [each.plan for each in found if isinstance(each, Measurement)]
    if plans:
        yield (
            f"At most {sum(plan.connections for plan in plans)} connections at once, and"
            f" {duration(plans[0].seconds)}. Ctrl-C ends it sooner."
        )

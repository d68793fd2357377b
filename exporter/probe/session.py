"""
Measures the paths to several servers in parallel.
"""

import asyncio
import signal
import time
from collections.abc import Sequence
from functools import partial
from typing import Protocol

from exporter.probe.inference import Outcome
from exporter.probe.measurement import Measurement, ProbeResult, Unreachable
from exporter.probe.plan import Plan
from exporter.probe.run import measure
from exporter.probe.target import Address, Target
from exporter.probe.tcp_connection import Source, TcpConnection, UnreachableError


class ProgressReporter(Protocol):
    """
    Receives the progress.
    """

    def begin(self, found: Sequence[ProbeResult]) -> None:
        """
        Called once all servers were contacted and the measurements start.
        """

    def tell(self, found: Measurement, outcome: Outcome) -> None:
        """
        Called with each outcome.
        """


async def measure_all(
    targets: Sequence[Target], plan: Plan, source: Source, reporter: ProgressReporter
) -> list[ProbeResult]:
    """
    Measure the paths until the results are complete, time is up, or SIGINT or SIGTERM arrives.

    Returns the results so far. A second SIGINT raises KeyboardInterrupt.
    """
    contacts = await asyncio.gather(*(_contact(target, source) for target in targets))
    deadline = time.monotonic() + plan.seconds
    found: list[ProbeResult] = []
    opened: list[tuple[Measurement, TcpConnection]] = []
    for target, contact in zip(targets, contacts, strict=True):
        if isinstance(contact, str):
            found.append(Unreachable(target, contact))
        else:
            address, connection = contact
            own_address = connection.own_address
            measurement = Measurement(target, address, plan, deadline, own_address, plan.first)
            found.append(measurement)
            opened.append((measurement, connection))
    stop = _stop_on_signals()
    reporter.begin(found)
    await asyncio.gather(
        *(
            measure(each, connection, source, stop, partial(reporter.tell, each))
            for each, connection in opened
        )
    )
    return found


async def _contact(target: Target, source: Source) -> tuple[Address, TcpConnection] | str:
    """
    A connection to the first address that answers, or the error of the last one.
    """
    reason = ""
    for address in target.addresses:
        try:
            return address, await TcpConnection.open(address, source)
        except UnreachableError as error:
            reason = str(error)
    return reason


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)

    loop.add_signal_handler(signal.SIGINT, end)
    loop.add_signal_handler(signal.SIGTERM, end)
    return stop

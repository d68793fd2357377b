"""
Measures the paths to several servers side by side.
"""

import asyncio
import signal
import time
from collections.abc import Sequence
from functools import partial
from typing import Protocol

from exporter.probe.measurement import Found, Measurement, Unreachable
from exporter.probe.outcome import Outcome
from exporter.probe.plan import Plan
from exporter.probe.run import measure
from exporter.probe.target import Address, Target
from exporter.probe.tcp_connection import Source, UnreachableError, Wire


class Audience(Protocol):
    """
    Who is told how it goes.
    """

    def begin(self, found: Sequence[Found]) -> None:
        """
        The servers have been connected to, and what can be measured will be.
        """

    def tell(self, found: Measurement, outcome: Outcome) -> None:
        """
        An outcome is known.
        """


async def measure_all(
    targets: Sequence[Target], plan: Plan, source: Source, audience: Audience
) -> list[Found]:
    """
    Measure the paths until all is known, time is up, or SIGINT or SIGTERM comes.

    What has been found by then is the result. A second SIGINT ends everything at once.
    """
    contacts = await asyncio.gather(*(_contact(target, source) for target in targets))
    deadline = time.monotonic() + plan.seconds
    found: list[Found] = []
    wires: list[tuple[Measurement, Wire]] = []
    for target, contact in zip(targets, contacts, strict=True):
        if isinstance(contact, str):
            found.append(Unreachable(target, contact))
        else:
            address, wire = contact
            own_address = wire.own_address
            measurement = Measurement(target, address, plan, deadline, own_address, plan.first)
            found.append(measurement)
            wires.append((measurement, wire))
    stop = _stop_on_signals()
    audience.begin(found)
    await asyncio.gather(
        *(measure(each, wire, source, stop, partial(audience.tell, each)) for each, wire in wires)
    )
    return found


async def _contact(target: Target, source: Source) -> tuple[Address, Wire] | str:
    """
    The first address of the server that answers; else why the last one does not.
    """
    reason = ""
    for address in target.addresses:
        try:
            return address, await Wire.open(address, source)
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

"""
`probe`: measures the idle timeout of the path to a server.
"""

import asyncio
import sys
from pathlib import Path
from typing import NoReturn

import click

from exporter.cli.options import EXIT_USAGE, config_file_option, duration, load_or_exit
from exporter.model import Recommended
from exporter.probe.plan import Plan, PlanError
from exporter.probe.target import Target, TargetError, resolve
from exporter.settings import read_settings
from exporter.sockets import SUPPORTED

_EXIT_UNKNOWN = 1


def _targets(_: click.Context, __: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    ...


@click.command(short_help="Measure the idle timeout of the path to a server.")
@click.argument("servers", nargs=-1, required=True, metavar="HOST:PORT...")
@config_file_option
@click.option(
    "--from",
    "shortest",
    default="30s",
    show_default=True,
    callback=duration,
    metavar="DURATION",
    help="Shortest idle time to try.",
)
@click.option(
    "--to",
    "longest",
    default="10m",
    show_default=True,
    callback=duration,
    metavar="DURATION",
    help="Longest idle time to try.",
)
@click.option(
    "--step",
    default="15s",
    show_default=True,
    callback=duration,
    metavar="DURATION",
    help="Between the idle times of the first round.",
)
@click.option(
    "--resolution",
    default="5s",
    show_default=True,
    callback=duration,
    metavar="DURATION",
    help="How near to each other the bounds shall be brought by further rounds.",
)
@click.option(
    "--parallel",
    type=click.IntRange(min=1, max=10000),
    default=64,
    show_default=True,
    help="Connections open at once, at most.",
)
@click.option("--source", metavar="ADDRESS", help="Address of this host to connect from.")
@click.option("--interface", metavar="NAME", help="Interface to connect through.")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="Text for people, or JSON.",
)
@click.option(
    "--write",
    is_flag=True,
    help="Print the paths as entries for the configuration file, and the rest on standard error.",
)
def probe(  # noqa: PLR0913  one argument a flag
    *,
    servers: tuple[str, ...],
    config_file: Path | None,
    shortest: float,
    longest: float,
    step: float,
    resolution: float,
    parallel: int,
    source: str | None,
    interface: str | None,
    output_format: str,
    write: bool,
) -> None:
    """
    Measure the idle timeout of the path to a server, whatever its protocol.

    Connections are opened side by side, left idle for different times, and then probed by the
    kernel's keepalive: what is answered was remembered. Nothing is changed, and no privilege needed.

    Exit code 0: the timeout is known as precisely as asked for, or longer than all that was tried.
    1: it is not, and why is said. 2: wrong usage, or a server cannot be connected to.
    """
    try:
        plan = Plan(shortest, longest, step, resolution)
    except PlanError as error:
        raise click.UsageError(str(error)) from error
    if write and output_format == "json":
        raise click.UsageError("--format=json has the entries anyway; leave --write out")
    _check_ceiling(plan, len(servers), parallel)
    config = load_or_exit(config_file)
    if not SUPPORTED:
        _fail(f"probing needs Linux, this is {sys.platform}")
    try:
        targets = [resolve(name, source) for name in servers]
    except TargetError as error:
        _fail(str(error))
    from exporter.cli.probe_lines import ...

"""
`probe`: measures the idle timeout of the path to a server.
"""

import asyncio
import ipaddress
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from exporter.cli.options import (
    EXIT_USAGE,
    config_file_option,
    duration_option,
    exit_for,
    format_option,
    load_or_exit,
    sysfs_option,
)
from exporter.cli.probe_json import as_json
from exporter.cli.probe_lines import LineReporter
from exporter.cli.probe_screen import ScreenReporter
from exporter.cli.probe_text import show
from exporter.collectors.operating_system import SUPPORTED, read_settings
from exporter.model import Recommended
from exporter.probe.measurement import Measurement, ProbeResult
from exporter.probe.plan import Plan, PlanError
from exporter.probe.report import Configured, path_entry
from exporter.probe.target import Target, TargetError, resolve

if TYPE_CHECKING:  # Linux only
    from exporter.probe.session import ProgressReporter

_EXIT_UNKNOWN = 1


def _source(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    try:
        return None if value is None else str(ipaddress.ip_address(value))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command(short_help="Measure the idle timeout of the path to a server.")
@click.argument("servers", nargs=-1, required=True, metavar="HOST:PORT...")
@config_file_option
@sysfs_option
@duration_option("--from", "shortest", default="30s", words="Shortest idle time to try.")
@duration_option("--to", "longest", default="10m", words="Longest idle time to try.")
@duration_option("--step", default="15s", words="Step between the idle times of the first round.")
@duration_option(
    "--resolution",
    default="5s",
    words="Target distance between the lower and upper bound of the timeout.",
)
@click.option(
    "--parallel",
    type=click.IntRange(min=1, max=10000),
    default=64,
    show_default=True,
    help="Maximum number of concurrent connections.",
)
@click.option(
    "--source", callback=_source, metavar="ADDRESS", help="Source address of the connections."
)
@click.option("--interface", metavar="NAME", help="Outgoing interface.")
@format_option()
@click.option(
    "--write",
    is_flag=True,
    help="Print the paths as configuration file entries; everything else goes to standard error.",
)
def probe(  # noqa: PLR0913  one argument per flag
    *,
    servers: tuple[str, ...],
    config_file: Path | None,
    sysfs: Path,
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
    Measure the idle timeout of the path to a server, for any TCP protocol.

    Connections are opened in parallel, left idle for different times, and then probed with the
    kernel's keepalive. A connection whose probe is answered survived its idle time. Nothing is
    changed, and no privileges are needed.

    Exit code 0: the timeout is known to --resolution, or all idle times were survived. 1: neither;
    the reason is printed. 2: wrong usage, or a server is unreachable.
    """
    try:
        plan = Plan(shortest, longest, step, resolution)
    except PlanError as error:
        raise click.UsageError(str(error)) from error
    if write and output_format == "json":
        raise click.UsageError(
            "--write cannot be combined with --format=json, which includes the entries"
        )
    names = tuple(dict.fromkeys(servers))
    _check_parallel(plan, len(names), parallel)
    config = load_or_exit(config_file, sysfs)
    if not SUPPORTED:
        exit_for(TargetError(f"probe requires Linux; this is {sys.platform}"))
    try:
        targets = [resolve(name, source) for name in names]
    except TargetError as error:
        exit_for(error)
    found = _measure(targets, plan, source, interface)
    recommended = Recommended(**config.recommended.model_dump())
    configured = Configured(read_settings(), recommended, config.paths)
    if output_format == "json":
        click.echo(as_json(found, configured, time.time()))
    else:
        show(found, configured, Console(stderr=write, highlight=False, emoji=False))
    if write:
        entries = (
            path_entry(each, config.paths) for each in found if isinstance(each, Measurement)
        )
        click.echo("paths:\n" + "".join(entries), nl=False)
    sys.exit(_exit_code(found))


def _check_parallel(plan: Plan, servers: int, parallel: int) -> None:
    if plan.connections * servers > parallel:
        each = f" to each of {servers} servers" if servers > 1 else ""
        raise click.UsageError(
            f"{plan.connections} concurrent connections{each} exceed --parallel={parallel};"
            " increase --step, --resolution or --parallel"
        )


def _measure(
    targets: Sequence[Target], plan: Plan, source: str | None, interface: str | None
) -> list[ProbeResult]:
    from exporter.probe.session import measure_all  # noqa: PLC0415  Linux only
    from exporter.probe.tcp_connection import Source  # noqa: PLC0415

    with _reporter() as reporter:
        return asyncio.run(measure_all(targets, plan, Source(source, interface), reporter))


def _reporter() -> "AbstractContextManager[ProgressReporter]":
    console = Console(stderr=True, highlight=False)
    return ScreenReporter(console) if console.is_terminal else nullcontext(LineReporter())


def _exit_code(found: Sequence[ProbeResult]) -> int:
    measurements = [each for each in found if isinstance(each, Measurement)]
    if len(measurements) < len(found):
        return EXIT_USAGE
    return 0 if all(each.is_narrow for each in measurements) else _EXIT_UNKNOWN

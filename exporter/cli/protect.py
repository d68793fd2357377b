"""
The command `protect`: enables keepalive on open connections that their path would drop.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from exporter.cli import log
from exporter.cli.filters import filter_options
from exporter.cli.options import (
    config_file_option,
    exit_for,
    format_option,
    load_or_exit,
    namespaces_option,
    sysfs_option,
)
from exporter.cli.systemd import notify
from exporter.collectors.operating_system import SUPPORTED
from exporter.collectors.state import State
from exporter.config.schema import Config, Namespaces
from exporter.connections.query import Query, Remote, UnknownPathError
from exporter.model import CollectorError, StrandedError

if TYPE_CHECKING:  # Linux only
    from exporter.protect.attempts import ProtectReport

    Show = Callable[[ProtectReport], None]

_ROWS = 50
_WIDTH_OF_PIPES = 200
"""Columns, as in `connections`."""
_EXIT_UNPROTECTED = 1
_NO_PERMISSION = (
    "no permission to read or change the options of any of these connections: run the command as"
    " root, or with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, or as the user of their processes"
)


@click.command(short_help="Enable keepalive on open connections that need it.")
@config_file_option
@sysfs_option
@namespaces_option
@click.option(
    "--apply",
    is_flag=True,
    help="Change the sockets. Without this flag, only print what would be changed.",
)
@click.option(
    "--watch",
    is_flag=True,
    help="With --apply: continue for new connections until interrupted.",
)
@click.option(
    "--pid",
    "pids",
    type=click.IntRange(min=1),
    multiple=True,
    metavar="PID",
    help="Only connections of this process, repeatable.",
)
@filter_options
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=_ROWS,
    show_default=True,
    metavar="N",
    help="Maximum number of connections to show as text; 0: no limit.",
)
@format_option("Output format. With --watch, JSON is one document per line.")
def protect(  # noqa: PLR0913  one argument per flag
    *,
    config_file: Path | None,
    sysfs: Path,
    namespaces: Namespaces | None,
    apply: bool,
    watch: bool,
    pids: tuple[int, ...],
    workload: str | None,
    path: str | None,
    remote: Remote | None,
    limit: int,
    output_format: str,
) -> None:
    """
    Enable keepalive on open connections that nothing protects from their path's idle timeout.

    Applications are not restarted and do not notice. Without --apply, nothing is changed.
    Connections of other users require root, or CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH.

    Exit code 0: all protected, or nothing to do; 1: some cannot be protected; 2: wrong usage, or no
    permission for any.
    """
    if watch and not apply:
        raise click.UsageError("--watch requires --apply")
    log.configure("info", "logfmt")
    config = load_or_exit(config_file, sysfs, namespaces)
    query = Query(everything=True, workload=workload, path=path, remote=remote)
    show = partial(_show_json, indent=None if watch else 2)
    if output_format == "text":
        show = partial(_show_text, limit=limit or None)
    try:
        if watch:
            _watch(query, config, pids, show)
        else:
            _once(query, config, pids, show, apply=apply)
    except UnknownPathError as error:
        raise click.BadParameter(str(error), param_hint="--path") from error
    except (CollectorError, StrandedError) as error:
        exit_for(error)


def _once(
    query: Query, config: Config, pids: tuple[int, ...], show: "Show", *, apply: bool
) -> None:
    if not SUPPORTED:
        raise CollectorError(f"protect requires Linux; this is {sys.platform}")
    from exporter.protect.attempts import ProtectOutcome  # noqa: PLC0415  Linux only
    from exporter.protect.protector import Protector  # noqa: PLC0415

    report = Protector(query, config, pids).run(State(), apply=apply)
    show(report)
    if report.lacks_all_permission:
        exit_for(CollectorError(_NO_PERMISSION))
    if report.by_outcome[ProtectOutcome.FAILED]:
        sys.exit(_EXIT_UNPROTECTED)


def _watch(query: Query, config: Config, pids: tuple[int, ...], show: "Show") -> None:
    if not SUPPORTED:
        raise CollectorError(f"protect requires Linux; this is {sys.platform}")
    from exporter.protect.protector import Protector  # noqa: PLC0415  Linux only
    from exporter.protect.watch import watch  # noqa: PLC0415

    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    is_first = True

    def show_new(report: "ProtectReport") -> None:
        nonlocal is_first
        if is_first and report.lacks_all_permission:
            exit_for(CollectorError(_NO_PERMISSION))
        if is_first or report.attempts:
            show(report)
        is_first = False
        notify("READY=1")
        notify("WATCHDOG=1")

    watch(Protector(query, config, pids), config.paths, stopped, show_new)
    notify("STOPPING=1")


def _show_json(report: "ProtectReport", indent: int | None) -> None:
    from exporter.cli.protect_json import document  # noqa: PLC0415  Linux only

    click.echo(json.dumps(document(report), indent=indent))


def _show_text(report: "ProtectReport", limit: int | None) -> None:
    from rich.console import Console  # noqa: PLC0415  takes 0.1 s

    from exporter.cli.protect_table import render  # noqa: PLC0415  Linux only

    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDTH_OF_PIPES
    console.print(render(report, console.width, limit))

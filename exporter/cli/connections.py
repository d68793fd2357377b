"""
The command `connections`: the connections of this host, the worst first.
"""

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from exporter.cli.options import (
    config_file_option,
    duration_option,
    exit_for,
    format_option,
    load_or_exit,
    namespaces_option,
)
from exporter.collectors.state import Memory
from exporter.config.schema import Config, Namespaces
from exporter.connections.query import Query, Remote, Sort, UnknownPathError, parse_remote
from exporter.linux import SUPPORTED
from exporter.model import CollectorError, StrandedError

if TYPE_CHECKING:  # what it imports exists on Linux only
    from exporter.connections.listing import Look

_ROWS = 50
_WIDTH_OF_PIPES = 200
"""Columns: for less and grep, one line a connection."""


def _remote(_: click.Context, __: click.Parameter, value: str | None) -> Remote | None:
    try:
        return None if value is None else parse_remote(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command(short_help="Show connections, the worst first.")
@config_file_option
@namespaces_option
@click.option("--all", "everything", is_flag=True, help="Show all of them, safe ones too.")
@click.option("--watch", is_flag=True, help="Look again and again, learning as time goes by.")
@duration_option("--interval", default="5s", words="Time between two looks with --watch.")
@click.option(
    "--sort",
    type=click.Choice([str(sort) for sort in Sort]),
    default=str(Sort.RISK),
    show_default=True,
    help="What comes first.",
)
@click.option("--workload", metavar="NAME", help="Only those of a workload; * and ? are wildcards.")
@click.option("--path", metavar="NAME", help="Only those that cross this path; none is no path.")
@click.option(
    "--remote",
    callback=_remote,
    metavar="ADDRESS",
    help="Only those to an address or network, public or private, and a port, as in :5432.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    metavar="N",
    help=f"Show at most so many; 0 is no limit.  [default: {_ROWS}, for JSON 0]",
)
@format_option("A table, or a document of JSON (one a line with --watch).")
def connections(  # noqa: PLR0913  one argument a flag
    *,
    config_file: Path | None,
    namespaces: Namespaces | None,
    everything: bool,
    watch: bool,
    interval: float,
    sort: str,
    workload: str | None,
    path: str | None,
    remote: Remote | None,
    limit: int | None,
    output_format: str,
) -> None:
    """
    Show this host's connections, the worst first: whose they are, where they lead, how long they
    have been idle, what protects them, and what to change.

    Without filters, those that hang, are at risk, or would be if they were idle. Other users'
    processes, and the exact options of their sockets, take root, or CAP_SYS_PTRACE and
    CAP_DAC_READ_SEARCH.
    """
    config = load_or_exit(config_file, namespaces)
    if limit is None:
        limit = _ROWS if output_format == "text" else 0
    query = Query(
        everything=everything,
        workload=workload,
        path=path,
        remote=remote,
        sort=Sort(sort),
        limit=limit or None,
    )
    looks = _looks(query, config, interval if watch else None)
    try:
        if output_format == "json":
            _print_documents(looks, indent=None if watch else 2)
        else:
            _print_tables(looks, watch=watch)
    except UnknownPathError as error:
        raise click.BadParameter(str(error), param_hint="--path") from error
    except (CollectorError, StrandedError) as error:
        exit_for(error)
    except KeyboardInterrupt:  # the way to end --watch
        pass


def _looks(query: Query, config: Config, interval: float | None) -> "Iterator[Look]":
    """
    One look or, with an interval in seconds, one after the other; each knows what those before saw.
    """
    if not SUPPORTED:
        raise CollectorError(f"connections cannot be looked at on {sys.platform}")
    from exporter.connections.listing import Looker, remember  # noqa: PLC0415  not elsewhere

    looker, memory = Looker(), Memory()
    while True:
        started = time.monotonic()
        found = looker.look(query, config, memory)
        took = time.monotonic() - started
        yield found
        if interval is None:
            return
        remember(found, memory)
        time.sleep(max(interval - took, took))


def _print_documents(looks: "Iterable[Look]", indent: int | None) -> None:
    from exporter.connections.to_json import document  # noqa: PLC0415  not elsewhere

    for found in looks:
        click.echo(json.dumps(document(found), indent=indent))


def _print_tables(looks: "Iterable[Look]", *, watch: bool) -> None:
    from rich.console import Console  # noqa: PLC0415  takes 0.1 s
    from rich.live import Live  # noqa: PLC0415

    from exporter.cli.connections_table import render  # noqa: PLC0415

    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDTH_OF_PIPES
    if not (watch and console.is_terminal):
        for found in looks:
            console.print(render(found, console))
        return
    with Live(console=console, screen=True, auto_refresh=False) as live:
        for found in looks:
            live.update(render(found, console, height=console.height), refresh=True)

"""
The command `connections`: lists the connections of this host, highest risk first, or their
destinations.
"""

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from exporter.cli.filters import filter_options
from exporter.cli.options import (
    config_file_option,
    duration_option,
    exit_for,
    format_option,
    load_or_exit,
    namespaces_option,
    sysfs_option,
)
from exporter.collectors.operating_system import SUPPORTED
from exporter.collectors.state import State
from exporter.config.schema import Config, Namespaces
from exporter.connections.query import Query, Remote, Sort, UnknownPathError
from exporter.model import CollectorError, StrandedError

if TYPE_CHECKING:  # Linux only
    from exporter.connections.listing import ConnectionListing, DestinationListing

    AnyListing = ConnectionListing | DestinationListing

_DESTINATION = "destination"
_ROWS = 50
_WIDTH_OF_PIPES = 200
"""Columns. Wide enough for one line per connection, for less and grep."""


@click.command(short_help="List connections, highest risk first.")
@config_file_option
@sysfs_option
@namespaces_option
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="List all connections, not only those with a problem.",
)
@click.option(
    "--watch",
    is_flag=True,
    help="Refresh continuously. Each refresh uses what earlier ones observed.",
)
@duration_option("--interval", default="5s", words="Time between refreshes with --watch.")
@click.option(
    "--sort",
    type=click.Choice([str(sort) for sort in Sort]),
    default=str(Sort.RISK),
    show_default=True,
    help="Sort order.",
)
@click.option(
    "--group-by",
    type=click.Choice([_DESTINATION]),
    help="Show the number of connections to each remote address and port, highest first.",
)
@filter_options
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    metavar="N",
    help=f"Maximum number of rows to show; 0: no limit.  [default: {_ROWS}; JSON: 0]",
)
@format_option("Output format. With --watch, JSON is one document per line.")
@click.pass_context
def connections(  # noqa: PLR0913  one argument per flag
    context: click.Context,
    *,
    config_file: Path | None,
    sysfs: Path,
    namespaces: Namespaces | None,
    everything: bool,
    watch: bool,
    interval: float,
    sort: str,
    group_by: str | None,
    workload: str | None,
    path: str | None,
    remote: Remote | None,
    limit: int | None,
    output_format: str,
) -> None:
    """
    List this host's connections, highest risk first, with owner, peer, idle time, protection and
    advice.

    Without --all, only connections with a problem are listed. Processes and exact socket options of
    other users require root, or CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH.
    """
    if group_by and context.get_parameter_source("sort") is ParameterSource.COMMANDLINE:
        raise click.UsageError("--sort cannot be used with --group-by")
    config = load_or_exit(config_file, sysfs, namespaces)
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
    listings = _listings(query, config, interval if watch else None, grouped=group_by is not None)
    try:
        if output_format == "json":
            _print_documents(listings, indent=None if watch else 2)
        else:
            _print_tables(listings, watch=watch)
    except UnknownPathError as error:
        raise click.BadParameter(str(error), param_hint="--path") from error
    except (CollectorError, StrandedError) as error:
        exit_for(error)
    except KeyboardInterrupt:  # ends --watch
        pass


def _listings(
    query: Query, config: Config, interval: float | None, *, grouped: bool
) -> "Iterator[AnyListing]":
    """
    A single listing or, with an interval in seconds, one per interval. Each uses earlier histories.
    """
    if not SUPPORTED:
        raise CollectorError(f"connections can only be listed on Linux, not on {sys.platform}")
    from exporter.connections.listing import ConnectionLister, keep_histories  # noqa: PLC0415  Linux only

    lister, state = ConnectionLister(), State()
    read = lister.list_destinations if grouped else lister.list_connections
    while True:
        started = time.monotonic()
        listing = read(query, config, state)
        took = time.monotonic() - started
        yield listing
        if interval is None:
            return
        keep_histories(listing, state)
        time.sleep(max(interval - took, took))


def _print_documents(listings: "Iterable[AnyListing]", indent: int | None) -> None:
    from exporter.connections.to_json import document  # noqa: PLC0415  Linux only

    for listing in listings:
        click.echo(json.dumps(document(listing), indent=indent))


def _print_tables(listings: "Iterable[AnyListing]", *, watch: bool) -> None:
    from rich.console import Console, ConsoleRenderable  # noqa: PLC0415  takes 0.1 s
    from rich.live import Live  # noqa: PLC0415

    from exporter.cli import connections_table, destinations_table  # noqa: PLC0415
    from exporter.connections.listing import DestinationListing  # noqa: PLC0415  Linux only

    console = Console(highlight=False)

    def render(listing: "AnyListing", height: int | None = None) -> ConsoleRenderable:
        if isinstance(listing, DestinationListing):
            return destinations_table.render(listing, console, height)
        return connections_table.render(listing, console, height)

    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDTH_OF_PIPES
    if not (watch and console.is_terminal):
        for listing in listings:
            console.print(render(listing))
        return
    with Live(console=console, screen=True, auto_refresh=False) as live:
        for listing in listings:
            live.update(render(listing, height=console.height), refresh=True)

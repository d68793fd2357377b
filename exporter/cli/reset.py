"""
The command `reset`: lists connections that hang and, with --apply, ends them.
"""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from exporter.cli import log
from exporter.cli.filters import filter_options
from exporter.cli.options import (
    EXIT_USAGE,
    config_file_option,
    exit_for,
    format_option,
    load_or_exit,
    namespaces_option,
    sysfs_option,
)
from exporter.collectors.operating_system import SUPPORTED
from exporter.config.schema import Namespaces
from exporter.connections.query import Query, Remote, UnknownPathError
from exporter.model import CollectorError, StrandedError

if TYPE_CHECKING:  # Linux only
    from exporter.protect.hanging import HangingListing

_EXIT_SOME_FAILED = 1
_WIDTH_OF_PIPES = 200
"""Columns. Wide enough for one line per connection, for less and grep."""


@click.command(short_help="End connections that hang.")
@config_file_option
@sysfs_option
@namespaces_option
@filter_options
@click.option(
    "--apply", is_flag=True, help="End the connections; without it, nothing is changed (dry run)."
)
@format_option()
def reset(  # noqa: PLR0913  one argument per flag
    *,
    config_file: Path | None,
    sysfs: Path,
    namespaces: Namespaces | None,
    workload: str | None,
    path: str | None,
    remote: Remote | None,
    apply: bool,
    output_format: str,
) -> None:
    """
    List the connections that hang (idle states stalled and unanswered) and, with --apply, end them.

    Their applications get the error ECONNABORTED at once, instead of a timeout after about 15
    minutes, and can reconnect. Immediately before, each connection is checked once more: one that
    has recovered is not ended. --apply requires root or CAP_NET_ADMIN.

    Exit code: 0 if all that still hang were ended, or none hangs; 1 if some could not be ended, or
    a network namespace could not be read; 2 if a flag or the configuration is invalid, or no
    connection can be ended here.
    """
    config = load_or_exit(config_file, sysfs, namespaces)
    if not SUPPORTED:
        exit_for(CollectorError(f"connections can only be ended on Linux, not on {sys.platform}"))
    from exporter.protect.hanging import end_hanging, find_hanging  # noqa: PLC0415  Linux only

    query = Query(workload=workload, path=path, remote=remote)
    try:
        found = find_hanging(query, config)
        if apply:
            if found.refusal:
                exit_for(CollectorError(found.refusal))
            log.configure("info", "logfmt")
            found = end_hanging(found)
    except UnknownPathError as error:
        raise click.BadParameter(str(error), param_hint="--path") from error
    except (CollectorError, StrandedError) as error:
        exit_for(error)
    if output_format == "json":
        _print_document(found, applied=apply)
    else:
        _print_table(found, applied=apply)
    if apply:
        sys.exit(exit_code(found))


def exit_code(found: "HangingListing") -> int:
    """
    The exit code of --apply.
    """
    from exporter.protect.recheck import ResetOutcome  # noqa: PLC0415

    outcomes = found.outcomes
    refused, failed = outcomes[ResetOutcome.NOT_PERMITTED], outcomes[ResetOutcome.FAILED]
    if refused and not (failed or outcomes[ResetOutcome.ENDED]):
        return EXIT_USAGE
    return _EXIT_SOME_FAILED if refused or failed or found.listing.unread else 0


def _print_document(found: "HangingListing", *, applied: bool) -> None:
    from exporter.cli.reset_json import document  # noqa: PLC0415  Linux only

    click.echo(json.dumps(document(found, applied=applied), indent=2))


def _print_table(found: "HangingListing", *, applied: bool) -> None:
    from rich.console import Console  # noqa: PLC0415  takes 0.1 s

    from exporter.cli.reset_table import render  # noqa: PLC0415  Linux only

    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDTH_OF_PIPES
    console.print(render(found, console.width, applied=applied))

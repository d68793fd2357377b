"""
Options that select connections, shared by the commands on single connections.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from exporter.connections.query import Remote, parse_remote

_Command = TypeVar("_Command", bound=Callable[..., Any])


def filter_options(command: _Command) -> _Command:
    """
    Add --workload, --path and --remote; the values are those of a Query.
    """
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _remote(_: click.Context, __: click.Parameter, value: str | None) -> Remote | None:
    try:
        return None if value is None else parse_remote(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


_OPTIONS = (
    click.option(
        "--workload",
        metavar="NAME",
        help="Only connections of this workload; * and ? are wildcards.",
    ),
    click.option(
        "--path",
        metavar="NAME",
        help="Only connections that cross this path; none: those on no path.",
    ),
    click.option(
        "--remote",
        callback=_remote,
        metavar="ADDRESS",
        help="Only connections to this address or network (or public, private) and port; for"
        " example 203.0.113.0/24 or :5432.",
    ),
)

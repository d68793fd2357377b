"""
`fix`: prints configuration that applies the recommended settings. It changes nothing itself.
"""

import difflib
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from exporter.cli.options import (
    EXIT_USAGE,
    config_file_option,
    duration,
    load_or_exit,
    sysfs_option,
)
from exporter.model import WINDOWS_PROBES, Platform, Recommended
from exporter.remedies.client_text import client_remedy
from exporter.remedies.clients import client_named, known_clients
from exporter.remedies.render import TARGETS, remedy
from exporter.remedies.validate import problems
from exporter.text.wording import plural, seconds

_INDENT = "  "

if TYPE_CHECKING:
    _ParamType = click.ParamType[str, str]
else:  # not generic in older versions
    _ParamType = click.ParamType


class _FixCommand(click.Command):
    """
    Lists targets and clients below the options of --help.
    """

    def format_epilog(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        for title, names in (("Targets", list(TARGETS)), ("Clients", _client_names())):
            with formatter.section(title):
                formatter.write(f"{_filled(names, formatter.width)}\n")


def _client_names() -> list[str]:
    """
    The ids of clients, with their aliases: node-postgres (pg).
    """
    return [
        each.id + (f" ({', '.join(each.aliases)})" if each.aliases else "")
        for each in known_clients()
    ]


def _filled(names: list[str], width: int = 100) -> str:
    """
    The names as indented lines, none of them broken.
    """
    return textwrap.fill(
        ", ".join(names),
        width,
        initial_indent=_INDENT,
        subsequent_indent=_INDENT,
        break_on_hyphens=False,
    )


class _TargetType(_ParamType):
    """
    A target, or the name of a client.
    """

    name = "TARGET|CLIENT"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """
        The name itself. An unknown one is an error that lists all.
        """
        if value in TARGETS or client_named(value):
            return value
        names = [*TARGETS, *(name for each in known_clients() for name in (each.id, *each.aliases))]
        similar = difflib.get_close_matches(value, names)
        hint = f" Did you mean {' or '.join(similar)}?" if similar else ""
        message = f"{value!r} is unknown.{hint}\n{_allowed()}"
        raise click.BadParameter(message, ctx=ctx, param=param)

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str:
        """
        All names.
        """
        del param, ctx
        return _allowed()

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """
        The names that begin like this.
        """
        del ctx, param
        names = [*TARGETS, *(each.id for each in known_clients())]
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _allowed() -> str:
    return f"Targets:\n{_filled(list(TARGETS))}\nClients:\n{_filled(_client_names())}"


@click.command(cls=_FixCommand, short_help="Print settings for a host, pod, container or client.")
@click.option(
    "--for",
    "target",
    type=_TargetType(),
    required=True,
    help="What receives the settings; see below.",
)
@config_file_option
@sysfs_option
@click.option(
    "--time", callback=duration, metavar="DURATION", help="Idle time before the first probe."
)
@click.option(
    "--interval", callback=duration, metavar="DURATION", help="Time between unanswered probes."
)
@click.option(
    "--probes",
    type=click.IntRange(1, 255),
    help="Unanswered probes until the connection is closed; always 10 on Windows.",
)
def fix(  # noqa: PLR0913  one argument per flag
    *,
    target: str,
    config_file: Path | None,
    sysfs: Path,
    time: float | None,
    interval: float | None,
    probes: int | None,
) -> None:
    """
    Print configuration that gives a host, pod or container the recommended settings, or what to
    change in a client.

    Nothing is changed. The output includes instructions to apply, verify and undo it. --time,
    --interval and --probes default to the recommended values of the configuration file.
    """
    config = load_or_exit(config_file, sysfs)
    recommended = Recommended(**config.recommended.model_dump())
    values = Recommended(
        time=recommended.time if time is None else time,
        interval=recommended.interval if interval is None else interval,
        probes=recommended.probes if probes is None else probes,
    )
    platform = TARGETS.get(target, Platform.LINUX)
    if platform is Platform.WINDOWS:
        if probes not in (None, WINDOWS_PROBES):
            raise click.BadParameter(
                f"{probes} cannot be set on Windows; allowed: {WINDOWS_PROBES}",
                param_hint="--probes",
            )
        values = replace(values, probes=WINDOWS_PROBES)
    if reasons := problems(values, platform, config.paths, recommended):
        requested = f"time {seconds(values.time)}, interval {seconds(values.interval)}"
        probes_text = plural(values.probes, "probe")
        click.echo(f"Error: settings rejected: {requested}, {probes_text}.", err=True)
        click.echo("\n".join(reasons), err=True)
        sys.exit(EXIT_USAGE)
    check = "tcp-keepalive-exporter check" + (" --config.file FILE" if config_file else "")
    if client := client_named(target):
        text = client_remedy(client, values, config.paths)
    else:
        text = remedy(target, values, config.paths, check)
    # As bytes, because Windows targets already have CRLF line ends.
    click.echo(text.encode("ascii"), nl=False)

"""
`fix`: prints configuration that applies the recommended settings. It changes nothing itself.
"""

import sys
from dataclasses import replace
from pathlib import Path

import click

from exporter.cli.options import (
    EXIT_USAGE,
    config_file_option,
    duration,
    load_or_exit,
    sysfs_option,
)
from exporter.model import WINDOWS_PROBES, Platform, Recommended
from exporter.remedies import TARGETS, problems, remedy
from exporter.text.wording import plural, seconds


@click.command(short_help="Print settings for a host, pod or container.")
@click.option(
    "--for",
    "target",
    type=click.Choice(list(TARGETS)),
    required=True,
    help="Target that receives the settings.",
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
    Print configuration that gives a host, pod or container the recommended settings.

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
    if TARGETS[target] is Platform.WINDOWS:
        if probes not in (None, WINDOWS_PROBES):
            raise click.BadParameter(
                f"{probes} cannot be set on Windows; allowed: {WINDOWS_PROBES}",
                param_hint="--probes",
            )
        values = replace(values, probes=WINDOWS_PROBES)
    if reasons := problems(values, TARGETS[target], config.paths, recommended):
        requested = f"time {seconds(values.time)}, interval {seconds(values.interval)}"
        probes_text = plural(values.probes, "probe")
        click.echo(f"Error: settings rejected: {requested}, {probes_text}.", err=True)
        click.echo("\n".join(reasons), err=True)
        sys.exit(EXIT_USAGE)
    check = "tcp-keepalive-exporter check" + (" --config.file FILE" if config_file else "")
    text = remedy(target, values, config.paths, check)
    # As bytes, because Windows targets already have CRLF line ends.
    click.echo(text.encode("ascii"), nl=False)

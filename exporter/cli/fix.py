"""
The remedy, printed. It is carried out by whoever reads it.
"""

import sys
from dataclasses import replace
from pathlib import Path

import click

from exporter.analysis.findings.phrases import plural, seconds
from exporter.cli.options import EXIT_USAGE, config_file_option, duration, load_or_exit
from exporter.model import WINDOWS_PROBES, Platform, Recommended
from exporter.remedies import TARGETS, objections, remedy


@click.command()
@click.option(
    "--for",
    "target",
    type=click.Choice(list(TARGETS)),
    required=True,
    help="What is to take the settings.",
)
@config_file_option
@click.option(
    "--time", callback=duration, metavar="DURATION", help="Idle time before the first probe."
)
@click.option(
    "--interval", callback=duration, metavar="DURATION", help="Time between unanswered probes."
)
@click.option(
    "--probes",
    type=click.IntRange(1, 255),
    help="Unanswered probes that end a connection; Windows always sends 10.",
)
def fix(
    *,
    target: str,
    config_file: Path | None,
    time: float | None,
    interval: float | None,
    probes: int | None,
) -> None:
    """
    Print what gives a host, pod or container the recommended settings.

    Changes nothing. What is printed says how to apply, verify and undo it. Times and probes that
    are not given are those that the config file recommends.
    """
    config = load_or_exit(config_file)
    recommended = Recommended(**config.recommended.model_dump())
    values = Recommended(
        time=recommended.time if time is None else time,
        interval=recommended.interval if interval is None else interval,
        probes=recommended.probes if probes is None else probes,
    )
    if TARGETS[target] is Platform.WINDOWS:
        if probes not in (None, WINDOWS_PROBES):
            raise click.BadParameter(
                f"{probes} cannot be set on Windows, which always sends {WINDOWS_PROBES}",
                param_hint="--probes",
            )
        values = replace(values, probes=WINDOWS_PROBES)
    if objected := objections(values, TARGETS[target], config.paths, recommended):
        asked = f"time {seconds(values.time)}, interval {seconds(values.interval)}"
        click.echo(f"Error: {asked} and {plural(values.probes, 'probe')} are refused.", err=True)
        click.echo("\n".join(objected), err=True)
        sys.exit(EXIT_USAGE)
    check = "tcp-keepalive-exporter check" + (" --config.file FILE" if config_file else "")
    text = remedy(target, values, config.paths, check)
    # As bytes: what is for Windows has its line ends already.
    click.echo(text.encode("ascii"), nl=False)

"""
`check`: compares the keepalive settings with the paths and prints findings.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

from exporter.analysis.report import Report, Verdict, missing, reports
from exporter.cli import log
from exporter.cli.check_json import as_json
from exporter.cli.check_text import show
from exporter.cli.options import (
    config_file_option,
    exit_for,
    format_option,
    load_or_exit,
    namespaces_option,
    sysfs_option,
)
from exporter.collectors.sampler import Sampler
from exporter.collectors.state import State
from exporter.config.schema import Config, Namespaces
from exporter.model import Recommended, Snapshot, StrandedError
from exporter.text.wording import plural

_EXIT_FINDINGS = 1
_EXIT_UNKNOWN = 2
_COLLECTORS = ("settings", "sockets")


@click.command(short_help="Check keepalive settings against paths.")
@config_file_option
@sysfs_option
@namespaces_option
@click.option(
    "--paths-from",
    "paths_file",
    type=click.Path(path_type=Path, readable=False),  # load() reports why it cannot be read
    metavar="FILE",
    help="Use the profile and paths of this configuration file instead.",
)
@format_option()
@click.option(
    "--quiet",
    is_flag=True,
    help="Print only one line per namespace that is not all right.",
)
def check(  # noqa: PLR0913  one argument per flag
    *,
    config_file: Path | None,
    sysfs: Path,
    namespaces: Namespaces | None,
    paths_file: Path | None,
    output_format: str,
    quiet: bool,
) -> None:
    """
    Check this host's keepalive settings against the paths that its connections cross.

    Exit code 0: no warning or critical findings. 1: at least one. 2: none, but settings or network
    namespaces could not be read; also for wrong usage.
    """
    if quiet and output_format == "json":
        raise click.UsageError("--quiet prints text; it cannot be combined with --format=json")
    config = load_or_exit(config_file, sysfs, namespaces)
    if paths_file is not None:
        other = load_or_exit(paths_file, sysfs)
        config = config.model_copy(update={"profile": other.profile, "own_paths": other.own_paths})
    log.configure_plain()
    snapshot = _sample(config)
    found, absent = reports(snapshot, config.paths), missing(snapshot)
    recommended = Recommended(**config.recommended.model_dump())
    if output_format == "json":
        profile = config.chosen_profile
        click.echo(as_json(found, recommended, profile, absent, time.time()))
    elif quiet:
        for report in found:
            if report.verdict is not Verdict.ALL_RIGHT:
                click.echo(report.summary)
    else:
        show(found, recommended, config.chosen_profile.explanation)
    if absent and output_format == "text":
        click.echo(f"{plural(absent, 'network namespace')} cannot be read")
    sys.exit(_exit_code(found, absent))


def _sample(config: Config) -> Snapshot:
    try:
        return Sampler(config, State(), _COLLECTORS).sample()
    except StrandedError as error:
        exit_for(error)


def _exit_code(found: Sequence[Report], absent: int) -> int:
    verdicts = {report.verdict for report in found}
    if verdicts & {Verdict.AT_RISK, Verdict.DOUBTFUL}:
        return _EXIT_FINDINGS
    return _EXIT_UNKNOWN if absent or Verdict.UNKNOWN in verdicts else 0

"""
Options and error handling shared by the commands.
"""

import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, TypeVar, get_args

import click
from click.core import ParameterSource

from exporter.config.schema import Config, ConfigError, Namespaces, load, parse_duration

_Command = TypeVar("_Command", bound=Callable[..., Any])

EXIT_USAGE = 2  # click's own for wrong flags

config_file_option = click.option(
    "--config.file",
    "config_file",
    type=click.Path(path_type=Path, readable=False),  # load() reports why it cannot be read
    metavar="FILE",
    help="Configuration file; without one, defaults apply.",
)


def _existing(context: click.Context, parameter: click.Parameter, value: Path) -> Path:
    source = context.get_parameter_source(parameter.name or "")
    with suppress(OSError):  # a folder above denies access
        # The default exists on Linux only.
        if source is ParameterSource.DEFAULT or value.is_dir():
            return value
    raise click.BadParameter(f"{str(value)!r} is not a readable directory; example: /host/sys")


sysfs_option = click.option(
    "--path.sysfs",
    "sysfs",
    type=click.Path(path_type=Path, readable=False),  # access() ignores capabilities
    default=Path("/sys"),
    show_default=True,
    callback=_existing,
    metavar="DIR",
    help="Mount point of sysfs, which identifies the cloud.",
)

namespaces_option = click.option(
    "--namespaces",
    type=click.Choice(get_args(Namespaces)),
    help="Network namespaces to read (Linux): the exporter's own or all of the host. Overrides the"
    " configuration file.",
)


def format_option(text: str = "Output format.") -> Callable[[_Command], _Command]:
    """
    The --format option; text is its help.
    """
    return click.option(
        "--format",
        "output_format",
        type=click.Choice(("text", "json")),
        default="text",
        show_default=True,
        help=text,
    )


def duration(_: click.Context, __: click.Parameter, value: str | None) -> float | None:
    """
    Option callback: a duration, written as in the config file, in seconds.
    """
    try:
        return None if value is None else parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def duration_option(*names: str, default: str, words: str) -> Callable[[_Command], _Command]:
    """
    An option that takes a duration and passes seconds; words are its help.
    """
    return click.option(
        *names,
        default=default,
        show_default=True,
        callback=duration,
        metavar="DURATION",
        help=words,
    )


def load_or_exit(file: Path | None, sysfs: Path, namespaces: Namespaces | None = None) -> Config:
    """
    The configuration on this host. An invalid one ends the command with exit code 2.
    """
    try:
        return load(file, namespaces, sysfs)
    except ConfigError as error:
        exit_for(error)


def exit_for(error: Exception) -> NoReturn:
    """
    Print the error and end the command with exit code 2.
    """
    click.echo(f"Error: {error}", err=True)
    sys.exit(EXIT_USAGE)

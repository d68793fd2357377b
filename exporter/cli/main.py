"""
The command line.
"""

import asyncio
import os
import platform
import sys
from pathlib import Path
from typing import get_args

import click
import structlog
from click.core import ParameterSource

from exporter import __version__
from exporter.cli import log
from exporter.cli.commands import Commands
from exporter.cli.options import config_file_option, load_or_exit
from exporter.cli.serve import serve
from exporter.config import Namespaces
from exporter.sampler import COLLECTORS
from exporter.sockets import SUPPORTED
from exporter.watcher import COLLECTOR as CLOSURES
from exporter.web.app import WebOptions
from exporter.web.listen import ListenError, parse_address

_COLLECTORS = (*COLLECTORS, CLOSURES) if SUPPORTED else COLLECTORS
_EXIT_SUCCESS = 0
_EXIT_FAILURE = 1

_log = structlog.get_logger()


def _addresses(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        try:
            parse_address(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
    return values


def _url_path(_: click.Context, __: click.Parameter, value: str) -> str:
    if not value.startswith("/") or set(value) & set("{}?# "):
        raise click.BadParameter(f"{value!r} is no path of a URL; write it like /metrics")
    if value.startswith("/-/"):
        raise click.BadParameter(f"{value!r} is taken; write it like /metrics")
    return value


@click.group(cls=Commands, invoke_without_command=True, context_settings={"max_content_width": 100})
@config_file_option
@click.option(
    "--namespaces",
    type=click.Choice(get_args(Namespaces)),
    help="Network namespaces to read: the exporter's own, or all of the host. Overrides the"
    " configuration file.",
)
@click.option(
    "--web.listen-address",
    "addresses",
    multiple=True,
    default=(":10240",),
    show_default=True,
    callback=_addresses,
    metavar="HOST:PORT",
    help="Address to listen on, repeatable; no host means all addresses.",
)
@click.option(
    "--web.telemetry-path",
    "telemetry_path",
    default="/metrics",
    show_default=True,
    callback=_url_path,
    metavar="PATH",
    help="Path of the metrics.",
)
@click.option(
    "--web.max-requests",
    "max_requests",
    type=click.IntRange(min=0),
    default=40,
    show_default=True,
    help="Scrapes served at once; 0 is no limit.",
)
@click.option(
    "--log.level",
    "log_level",
    type=click.Choice(list(log.LEVELS)),
    default="info",
    show_default=True,
    help="Log only events of this severity or worse.",
)
@click.option(
    "--log.format",
    "log_format",
    type=click.Choice(log.FORMATS),
    default="logfmt",
    show_default=True,
    help="Format of the log lines.",
)
@click.option(
    "--log.addresses",
    "log_addresses",
    is_flag=True,
    help="Name the addresses of connections in log lines about them.",
)
@click.version_option(
    __version__,
    prog_name="tcp-keepalive-exporter",
    message=f"%(prog)s %(version)s (Python {platform.python_version()}, {sys.platform})",
)
@click.pass_context
def main(  # noqa: PLR0913  one argument a flag
    context: click.Context,
    /,
    *,
    config_file: Path | None,
    namespaces: Namespaces | None,
    addresses: tuple[str, ...],
    telemetry_path: str,
    max_requests: int,
    log_level: str,
    log_format: str,
    log_addresses: bool,
    **collectors: bool,
) -> None:
    """
    Export this host's TCP keepalive settings and the state of its idle connections to Prometheus.

    Without a command, serve metrics. The flags below are those of serving; each command has its
    own, which stand behind its name.
    """
    if context.invoked_subcommand is not None:
        _refuse_flags_of_serving(context)
        return
    log.configure(log_level, log_format)
    config = load_or_exit(config_file)
    if namespaces is not None:
        config = config.model_copy(update={"namespaces": namespaces})
    if config.namespaces == "all" and not SUPPORTED:
        raise click.UsageError(f"there are no network namespaces on {sys.platform}")
    enabled = [name for name in _COLLECTORS if collectors[name]]
    options = WebOptions(telemetry_path, max_requests)
    try:
        asyncio.run(serve(config, addresses, enabled, options, log_addresses=log_addresses))
    except ListenError as error:
        _log.error("the exporter cannot start", error=str(error))
        sys.exit(_EXIT_FAILURE)
    # At once: the interpreter would wait for the thread of a sample, which may hang in the kernel.
    os._exit(_EXIT_SUCCESS)


def _refuse_flags_of_serving(context: click.Context) -> None:
    for option in context.command.params:
        if context.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"{option.opts[0]} is a flag of serving; those of {context.invoked_subcommand}"
                " stand behind its name"
            )


for _name in _COLLECTORS:
    main = click.option(
        f"--collector.{_name}/--no-collector.{_name}",
        _name,
        default=True,
        show_default=True,
        help=f"Run the {_name} collector.",
    )(main)

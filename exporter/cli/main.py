"""
The command line.
"""

import asyncio
import os
import platform
import socket
import sys
from pathlib import Path
from typing import NoReturn

import click
import structlog
from click.core import ParameterSource

from exporter import __version__
from exporter.cli import log
from exporter.cli.commands import Commands
from exporter.cli.options import (
    config_file_option,
    exit_for,
    load_or_exit,
    namespaces_option,
)
from exporter.cli.reload import Live
from exporter.cli.serve import serve
from exporter.cli.systemd import inherited_sockets
from exporter.collectors.closures import COLLECTOR as CLOSURES
from exporter.collectors.sampler import COLLECTORS
from exporter.config.schema import ConfigError, Namespaces
from exporter.linux import SUPPORTED
from exporter.web.access import Access
from exporter.web.app import WebOptions
from exporter.web.connections_page import API, PAGE
from exporter.web.listen import ListenError, describe, is_loopback, listen, parse_address

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
    if value.startswith("/-/") or value in (PAGE, API):
        raise click.BadParameter(f"{value!r} is taken; write it like /metrics")
    return value


@click.group(cls=Commands, invoke_without_command=True, context_settings={"max_content_width": 100})
@config_file_option
@namespaces_option
@click.option(
    "--config.check",
    "config_check",
    is_flag=True,
    help="Check the configuration files, and exit: 0 if they can be used, else 2.",
)
@click.option(
    "--web.config.file",
    "web_config_file",
    type=click.Path(path_type=Path, readable=False),
    metavar="FILE",
    help="TLS and users, in the format of Prometheus' exporter-toolkit; read anew when changed.",
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
    "--web.systemd-socket",
    "systemd_socket",
    is_flag=True,
    help="Listen on the sockets that systemd hands over instead.",
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
    "--web.enable-lifecycle",
    "enable_lifecycle",
    is_flag=True,
    help="Let POST /-/reload have the config file read again, as SIGHUP does.",
)
@click.option(
    "--web.enable-connections",
    "show_connections",
    is_flag=True,
    help="Show connections at /connections, to whoever authenticates or is on this host.",
)
@click.option(
    "--web.connections-insecure",
    "connections_insecure",
    is_flag=True,
    help="Show them to everybody who can reach the listen addresses.",
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
    config_check: bool,
    web_config_file: Path | None,
    addresses: tuple[str, ...],
    systemd_socket: bool,
    telemetry_path: str,
    max_requests: int,
    enable_lifecycle: bool,
    show_connections: bool,
    connections_insecure: bool,
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
    if show_connections and not SUPPORTED:
        raise click.UsageError(f"--web.enable-connections cannot be had on {sys.platform}")
    log.configure(log_level, log_format)
    live = Live(config_file, load_or_exit(config_file, namespaces), namespaces)
    inherited = _inherited_or_exit() if systemd_socket and not config_check else []
    exposed = not all(map(is_loopback, map(describe, inherited) if inherited else addresses))
    access = _access_or_exit(
        web_config_file, authenticated=show_connections and exposed and not connections_insecure
    )
    if config_check:
        for file in filter(None, (config_file, web_config_file)):
            click.echo(f"{file}: can be used")
        return
    enabled = [name for name in _COLLECTORS if collectors[name]]
    options = WebOptions(telemetry_path, max_requests, enable_lifecycle, connections_insecure)
    try:
        listeners = inherited or [listen(each) for each in addresses]
        asyncio.run(
            serve(
                live,
                listeners,
                enabled,
                options,
                access,
                log_addresses=log_addresses,
                show_connections=show_connections,
            )
        )
    except ListenError as error:
        _exit_unstarted(error)
    # At once: the interpreter would wait for the thread of a sample, which may hang in the kernel.
    os._exit(_EXIT_SUCCESS)


def _inherited_or_exit() -> list[socket.socket]:
    try:
        return inherited_sockets()
    except ListenError as error:
        _exit_unstarted(error)


def _exit_unstarted(error: ListenError) -> NoReturn:
    _log.error("the exporter cannot start", error=str(error))
    sys.exit(_EXIT_FAILURE)


def _access_or_exit(file: Path | None, *, authenticated: bool) -> Access:
    try:
        return Access(file, authenticated=authenticated)
    except ConfigError as error:
        exit_for(error)


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

"""
The command line: flags of the exporter itself.
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
from exporter.cli.commands import LazyGroup
from exporter.cli.options import (
    config_file_option,
    exit_for,
    load_or_exit,
    namespaces_option,
    sysfs_option,
)
from exporter.cli.reload import ReloadableConfig
from exporter.cli.serve import serve
from exporter.cli.systemd import inherited_sockets
from exporter.collectors.closures import COLLECTOR as CLOSURES
from exporter.collectors.operating_system import SUPPORTED
from exporter.collectors.sampler import COLLECTORS
from exporter.config.schema import ConfigError, Namespaces
from exporter.web.access import AccessControl
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
        raise click.BadParameter(f"{value!r} is not a URL path; example: /metrics")
    if value.startswith("/-/") or value in (PAGE, API):
        raise click.BadParameter(f"{value!r} is reserved; example: /metrics")
    return value


@click.group(
    cls=LazyGroup, invoke_without_command=True, context_settings={"max_content_width": 100}
)
@config_file_option
@sysfs_option
@namespaces_option
@click.option(
    "--config.check",
    "config_check",
    is_flag=True,
    help="Check the configuration files and exit; exit code 0: valid, 2: invalid.",
)
@click.option(
    "--web.config.file",
    "web_config_file",
    type=click.Path(path_type=Path, readable=False),
    metavar="FILE",
    help="Web configuration file (TLS, basic auth) in exporter-toolkit format; reloaded on change.",
)
@click.option(
    "--web.listen-address",
    "addresses",
    multiple=True,
    default=(":10240",),
    show_default=True,
    callback=_addresses,
    metavar="HOST:PORT",
    help="Address to listen on, repeatable; without a host, all addresses.",
)
@click.option(
    "--web.systemd-socket",
    "systemd_socket",
    is_flag=True,
    help="Listen on the sockets passed by systemd instead.",
)
@click.option(
    "--web.telemetry-path",
    "telemetry_path",
    default="/metrics",
    show_default=True,
    callback=_url_path,
    metavar="PATH",
    help="URL path of the metrics.",
)
@click.option(
    "--web.max-requests",
    "max_requests",
    type=click.IntRange(min=0),
    default=40,
    show_default=True,
    help="Maximum number of concurrent scrapes; 0: no limit.",
)
@click.option(
    "--web.enable-lifecycle",
    "enable_lifecycle",
    is_flag=True,
    help="Allow POST and PUT /-/reload to reload the configuration file, as SIGHUP does.",
)
@click.option(
    "--web.enable-connections",
    "show_connections",
    is_flag=True,
    help="Enable /connections and its API; requires authentication or loopback listen addresses.",
)
@click.option(
    "--web.connections-insecure",
    "connections_insecure",
    is_flag=True,
    help="Allow /connections without authentication on any listen address.",
)
@click.option(
    "--log.level",
    "log_level",
    type=click.Choice(list(log.LEVELS)),
    default="info",
    show_default=True,
    help="Minimum severity of logged events.",
)
@click.option(
    "--log.format",
    "log_format",
    type=click.Choice(log.FORMATS),
    default="logfmt",
    show_default=True,
    help="Log format.",
)
@click.option(
    "--log.addresses",
    "log_addresses",
    is_flag=True,
    help="Include the addresses of connections in log events.",
)
@click.version_option(
    __version__,
    prog_name="tcp-keepalive-exporter",
    message=f"%(prog)s %(version)s (Python {platform.python_version()}, {sys.platform})",
)
@click.pass_context
def main(  # noqa: PLR0913  one argument per flag
    context: click.Context,
    /,
    *,
    config_file: Path | None,
    sysfs: Path,
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

    Without a command, metrics are served. The flags below apply to serving only. Flags of a command
    follow its name; see COMMAND --help.
    """
    if context.invoked_subcommand is not None:
        _reject_serving_flags(context)
        return
    if show_connections and not SUPPORTED:
        raise click.UsageError(f"--web.enable-connections requires Linux; this is {sys.platform}")
    log.configure(log_level, log_format)
    config = load_or_exit(config_file, sysfs, namespaces)
    inherited = _inherited_or_exit() if systemd_socket and not config_check else []
    exposed = not all(map(is_loopback, map(describe, inherited) if inherited else addresses))
    access = _access_or_exit(
        web_config_file, authenticated=show_connections and exposed and not connections_insecure
    )
    if config_check:
        for file in filter(None, (config_file, web_config_file)):
            click.echo(f"{file}: valid")
        click.echo(config.chosen_profile.explanation)
        return
    live = ReloadableConfig(config_file, config, sysfs, namespaces)
    live.log_profile()
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
        _exit_startup_failed(error)
    # Immediately: a normal exit would wait for a sampling thread that may hang in the kernel.
    os._exit(_EXIT_SUCCESS)


def _inherited_or_exit() -> list[socket.socket]:
    try:
        return inherited_sockets()
    except ListenError as error:
        _exit_startup_failed(error)


def _exit_startup_failed(error: ListenError) -> NoReturn:
    _log.error("startup failed", error=str(error))
    sys.exit(_EXIT_FAILURE)


def _access_or_exit(file: Path | None, *, authenticated: bool) -> AccessControl:
    try:
        return AccessControl(file, authenticated=authenticated)
    except ConfigError as error:
        exit_for(error)


def _reject_serving_flags(context: click.Context) -> None:
    for option in context.command.params:
        if context.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"{option.opts[0]} applies to serving only; flags of {context.invoked_subcommand}"
                " follow its name"
            )


for _name in _COLLECTORS:
    main = click.option(
        f"--collector.{_name}/--no-collector.{_name}",
        _name,
        default=True,
        show_default=True,
        help=f"Run the {_name} collector.",
    )(main)

"""
The flags and their error messages.
"""

import platform
import sys

import click
import pytest
from click.testing import CliRunner

from exporter import __version__
from exporter.cli import main
from tests.exporter_process import run_exporter

FLAGS = {
    "--config.file",
    "--path.sysfs",
    "--namespaces",
    "--config.check",
    "--web.config.file",
    "--web.listen-address",
    "--web.systemd-socket",
    "--web.telemetry-path",
    "--web.max-requests",
    "--web.enable-lifecycle",
    "--web.enable-connections",
    "--web.connections-insecure",
    "--log.level",
    "--log.format",
    "--log.addresses",
    "--collector.settings",
    "--collector.sockets",
    "--collector.owners",
    "--collector.closures",
    "--no-collector.settings",
    "--no-collector.sockets",
    "--no-collector.owners",
    "--no-collector.closures",
    "--version",
}


@pytest.mark.system
def test_help() -> None:
    """
    --help states the purpose and lists every flag.
    """
    ended = run_exporter("--help")
    assert (ended.returncode, ended.stderr) == (0, "")
    words = ended.stdout.split()
    assert "TCP keepalive settings and the state of its idle connections" in " ".join(words)
    assert set(words) >= FLAGS


def test_every_flag_has_help() -> None:
    """
    Every flag has a help text.
    """
    assert isinstance(main, click.Command)
    options = [option for option in main.params if isinstance(option, click.Option)]
    assert {name for option in options for name in (*option.opts, *option.secondary_opts)} == FLAGS
    for option in options:
        assert option.help, option.name


@pytest.mark.system
def test_version() -> None:
    """
    --version prints the versions of exporter and Python, and the platform.
    """
    ended = run_exporter("--version")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == (
        f"tcp-keepalive-exporter {__version__}"
        f" (Python {platform.python_version()}, {sys.platform})\n"
    )


@pytest.mark.parametrize(
    ("flag", "value", "allowed"),
    [
        ("--nonsense", "--nonsense", "No such option"),
        ("serve", "'serve'", "No such command"),
        ("--web.listen-address=10240", "'10240'", ":10240"),
        ("--web.listen-address=::1:80", "'::1:80'", "[::1]:10240"),
        ("--web.telemetry-path=metrics", "'metrics'", "/metrics"),
        ("--web.telemetry-path=/a b", "'/a b'", "/metrics"),
        ("--web.telemetry-path=/metrics?", "'/metrics?'", " /metrics"),
        ("--web.telemetry-path=/{name}", "'/{name}'", "/metrics"),
        ("--web.telemetry-path=/-/ready", "'/-/ready'", "/metrics"),
        ("--web.telemetry-path=/connections", "'/connections'", "/metrics"),
        ("--web.max-requests=-1", "-1", "x>=0."),
        ("--web.max-requests=many", "'many'", "integer range."),
        ("--log.level=loud", "'loud'", "'debug', 'info', 'warn', 'error'."),
        ("--log.format=xml", "'xml'", "'logfmt', 'json'."),
        ("--collector.nothing", "--collector.nothing", "No such option"),
    ],
)
def test_wrong_flag(flag: str, value: str, allowed: str) -> None:
    """
    A wrong flag leads to exit code 2. The message names the value and what is allowed.
    """
    # With a valid flag the exporter would still not start.
    result = CliRunner().invoke(main, [flag, "--config.file=/absent.yml"])
    assert (result.exit_code, result.stdout) == (2, "")
    *_, last = result.stderr.splitlines()
    assert last.startswith("Error: ")
    assert value in last
    assert allowed in last


@pytest.mark.system
def test_wrong_flag_of_the_command() -> None:
    """
    The real command behaves the same.
    """
    ended = run_exporter("--web.max-requests=many")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.splitlines()[-1] == (
        "Error: Invalid value for '--web.max-requests': 'many' is not a valid integer range."
    )

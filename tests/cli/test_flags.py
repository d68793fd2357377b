"""
The flags: what they are, and what is said of wrong ones.
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


def test_help() -> None:
    """
    --help says what the exporter is for and names every flag.
    """
    ended = run_exporter("--help")
    assert (ended.returncode, ended.stderr) == (0, "")
    words = ended.stdout.split()
    assert "TCP keepalive settings and the state of its idle connections" in " ".join(words)
    assert set(words) >= FLAGS


def test_every_flag_has_help() -> None:
    """
    No flag stands there without a word of what it does.
    """
    assert isinstance(main, click.Command)
    options = [option for option in main.params if isinstance(option, click.Option)]
    assert {name for option in options for name in (*option.opts, *option.secondary_opts)} == FLAGS
    for option in options:
        assert option.help, option.name


def test_version() -> None:
    """
    --version says which exporter this is, and on what it runs.
    """
    ended = run_exporter("--version")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == (
        f"tcp-keepalive-exporter {__version__}"
        f" (Python {platform.python_version()}, {sys.platform})\n"
    )


PATH = "is no path of a URL; write it like /metrics"


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--nonsense", "No such option '--nonsense'."),
        ("serve", "No such command 'serve'."),
        (
            "--web.listen-address=10240",
            "'10240' is no address to listen on; write it like :10240",
        ),
        (
            "--web.listen-address=::1:80",
            "'::1:80': an IPv6 address stands in brackets, like [::1]:10240",
        ),
        ("--web.telemetry-path=metrics", f"'metrics' {PATH}"),
        ("--web.telemetry-path=/a b", f"'/a b' {PATH}"),
        ("--web.telemetry-path=/metrics?", f"'/metrics?' {PATH}"),
        ("--web.telemetry-path=/{name}", f"'/{{name}}' {PATH}"),
        ("--web.telemetry-path=/-/ready", "'/-/ready' is taken; write it like /metrics"),
        ("--web.telemetry-path=/connections", "'/connections' is taken; write it like /metrics"),
        ("--web.max-requests=-1", "-1 is not in the range x>=0."),
        ("--web.max-requests=many", "'many' is not a valid integer range."),
        ("--log.level=loud", "'loud' is not one of 'debug', 'info', 'warn', 'error'."),
        ("--log.format=xml", "'xml' is not one of 'logfmt', 'json'."),
        ("--collector.nothing", "No such option '--collector.nothing'."),
    ],
)
def test_wrong_flag(flag: str, message: str) -> None:
    """
    A wrong flag ends the command with exit code 2 and says what is allowed.
    """
    # If the flag were right, the exporter would still not start.
    result = CliRunner().invoke(main, [flag, "--config.file=/absent.yml"])
    assert (result.exit_code, result.stdout) == (2, "")
    *_, last = result.stderr.splitlines()
    assert last.startswith("Error: ")
    assert message in last


def test_wrong_flag_of_the_command() -> None:
    """
    The real command ends so too.
    """
    ended = run_exporter("--web.max-requests=many")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.splitlines()[-1] == (
        "Error: Invalid value for '--web.max-requests': 'many' is not a valid integer range."
    )

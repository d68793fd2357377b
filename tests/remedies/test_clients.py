"""
clients.yml: the schema, and what each client has.
"""

import re
import subprocess
import sys
from collections import Counter

import pytest

from exporter.model import Recommended
from exporter.remedies.client_text import client_remedy, fixes
from exporter.remedies.clients import KnownClient, client_named, known_clients
from exporter.remedies.values import Cause, fill, values_for
from tests.remedies.printed import run_fix

AZURE = 240.0
ALL = pytest.mark.parametrize("client", known_clients(), ids=lambda client: client.id)

_PROGRAM = """
import sys
import exporter.cli.serve
print("exporter.remedies.clients" in sys.modules)
from exporter.collectors.state import State
from exporter.web.connections_service import ConnectionsService
ConnectionsService(State())
from exporter.remedies.clients import known_clients
print(known_clients.cache_info().currsize)
"""


@ALL
def test_complete(client: KnownClient) -> None:
    """
    Every client has a source, a default, a rule that says something, and a fix.
    """
    assert client.sources
    assert all(re.fullmatch(r"https://\S+", source) for source in client.sources)
    assert client.defaults
    assert client.recognised
    for rule in client.recognised:
        assert rule.process or rule.port or rule.options.times
        for pattern in (rule.process, rule.command):
            re.compile(pattern or "")
        # Only a program that is named by its process is no guess.
        assert not rule.certain or rule.process
    assert client.fix(Cause.NO_KEEPALIVE, Recommended(), AZURE)


@ALL
def test_applicable_causes(client: KnownClient) -> None:
    """
    Each cause has at most one fix, and clients whose defaults give up soon have one for that.
    """
    causes = Counter(cause for fix in client.fixes for cause in fix.causes)
    assert not [cause for cause, number in causes.items() if number > 1]
    is_fragile = any(
        each.interval and each.probes and each.interval * each.probes < 15
        for each in client.defaults
    )
    assert not is_fragile or Cause.FRAGILE in causes


@ALL
@pytest.mark.parametrize(("timeout", "seconds"), [(AZURE, 120), (90.0, 45), (1.5, 1)])
def test_values(client: KnownClient, timeout: float, seconds: int) -> None:
    """
    The fixes have values for the path: the recommended ones, but at most half the timeout.
    """
    values = values_for(Recommended(), timeout)
    assert values.time == seconds
    # Constants of clients that cannot be changed have no values of ours.
    templates = [each for each in client.fixes if "$" in each.text or each.sysctls]
    for template in templates:
        for cause in template.causes:
            text = client.fix(cause, values, timeout) or ""
            numbers = {int(number) for number in re.findall(r"\d+", text)}
            assert numbers & {seconds, 1000 * seconds}, text
            assert "$" not in text
    assert "$" not in fill(client.note + client.example, values)


@ALL
def test_fix_command(client: KnownClient) -> None:
    """
    `fix --for CLIENT` prints defaults, every fix and the sources, in ASCII.
    """
    result = run_fix("--for", client.id, "--time", "100s", "--interval", "20s", "--probes", "6")
    assert (result.exit_code, result.stderr) == (0, "")
    text = result.stdout_bytes.decode("ascii")
    assert text.startswith(f"# Keepalive of {client.name}: time 100 s, interval 20 s, 6 probes\n")
    words = re.sub(r"\s+", "", text.replace("#", ""))
    for fix in fixes(client, Recommended(100, 20, 6), AZURE):
        assert re.sub(r"\s+", "", fix.replace("#", "")) in words
    assert all(f"#   {source}\n" in text for source in client.sources)
    comments, _, example = text.partition("\n\n")
    assert all(line.startswith("#") and line == line.rstrip() for line in comments.splitlines())
    assert bool(example) == bool(client.example)


def test_short_path() -> None:
    """
    For a short path, the interval of the network namespace must be set too.
    """
    client = client_named("pgjdbc")
    assert client
    fix = client.fix(Cause.NO_KEEPALIVE, values_for(Recommended(), 90), 90)
    assert fix == (
        "set tcpKeepAlive=true in the JDBC URL and net.ipv4.tcp_keepalive_time=45 and"
        " net.ipv4.tcp_keepalive_intvl=30 in its network namespace"
    )


def test_example_is_python() -> None:
    """
    The example of Python's HTTP clients compiles.
    """
    client = client_named("requests")
    assert client
    text = client_remedy(client, Recommended(), ())
    code = compile(text, "example", "exec")
    assert {"urllib3", "httpx", "openai", "requests", "aiohttp"} <= set(code.co_names)


def test_names_are_unique() -> None:
    """
    No id or alias names two clients.
    """
    names = Counter(name for each in known_clients() for name in (each.id, *each.aliases))
    assert not [name for name, number in names.items() if number > 1]


def test_unknown_name() -> None:
    """
    An unknown name is an error with similar names, and with all targets and clients, none broken.
    """
    result = run_fix("--for", "redis")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "'redis' is unknown. Did you mean ioredis or jedis or redis-py?" in result.stderr
    listed = {name.strip() for name in re.split(r"[,()\n]", result.stderr)}
    assert listed >= {"sysctl", *(each.id for each in known_clients()), "openai"}
    assert max(map(len, result.stderr.splitlines())) <= 100


@pytest.mark.system
def test_not_read_at_start() -> None:
    """
    The exporter does not import it at its start, and with the connections page does not read it.
    """
    argv = [sys.executable, "-c", _PROGRAM]
    finished = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True)
    assert finished.stdout.splitlines() == ["False", "0"]

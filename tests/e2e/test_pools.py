"""
Pools of PostgreSQL and Redis clients behind a NAT that forgets: as they come they lose their
connections, cured on either side they keep them, and the metrics say so.
"""

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from socket import TCP_KEEPCNT, TCP_KEEPIDLE, TCP_KEEPINTVL
from typing import Any

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.e2e.exporting import Exporter, Scrape, exporter_inside, table
from tests.lab import LAB_MARKS, Host, LabError, NatLab, OnTimeout, nat_lab

pytestmark = LAB_MARKS

IDLE_TIMEOUT = 5
IDLE_SPELL = 8
SAMPLE = 0.5
SLACK = 0.2
"""Seconds that using all connections and taking samples may take on a busy machine."""
SIZE = 3
"""Connections in a pool."""
MODES: tuple[OnTimeout, ...] = ("drop", "reset")
DEATH: Mapping[OnTimeout, str] = {"drop": "retransmit_timeout", "reset": "reset"}

_POSTGRESQL = Path("/usr/lib/postgresql")
_REDIS_PORT, _CURED_REDIS_PORT = 6379, 6380
_TIMEOUT = 20.0


@dataclass(frozen=True, slots=True)
class Connection:
    """
    A connection of a pool: use it, which raises one of DEATHS if it is dead, and close it.
    """

    use: Callable[[], object]
    close: Callable[[], object]


DEATHS = (psycopg.OperationalError, redis.ConnectionError, redis.TimeoutError)
Connect = Callable[[str], Connection]
"""Connects to the server at an address."""


def postgresql(options: str = "") -> Connect:
    """
    Connects libpq with these words added to its connection string.
    """

    def connect(address: str) -> Connection:
        target = f"host={address} user=postgres dbname=postgres {options}"
        connection = psycopg.connect(target, autocommit=True)
        return Connection(lambda: connection.execute("select 1"), connection.close)

    return connect


def redis_py(port: int = _REDIS_PORT, **options: Any) -> Connect:
    """
    Connects redis-py with these options.
    """

    def connect(address: str) -> Connection:
        client = redis.Redis(
            address,
            port,
            single_connection_client=True,
            socket_timeout=None,
            retry=Retry(NoBackoff(), 0),  # else it connects anew and hides the death
            **options,
        )
        return Connection(client.ping, client.close)

    return connect


KEEPALIVE_IN_TIME = {TCP_KEEPIDLE: 2, TCP_KEEPINTVL: 1, TCP_KEEPCNT: 3}

AS_THEY_COME = {
    "postgresql": postgresql(),
    "redis": redis_py(socket_keepalive=False),  # the default until redis-py 8
}
CURED_BY_CLIENT = {
    "postgresql-client": postgresql("keepalives_idle=2 keepalives_interval=1"),
    "redis-client": redis_py(socket_keepalive=True, socket_keepalive_options=KEEPALIVE_IN_TIME),
}
CURED_BY_SERVER = {
    "postgresql-server": postgresql(
        "options='-c tcp_keepalives_idle=2 -c tcp_keepalives_interval=1'"
    ),
    "redis-server": redis_py(_CURED_REDIS_PORT, socket_keepalive=False),
}
POOLS = AS_THEY_COME | CURED_BY_CLIENT | CURED_BY_SERVER
# Each has an address of the server to itself, and by it a path.
ADDRESSES = {name: f"203.0.113.{number}" for number, name in enumerate(POOLS, 21)}

CONFIG = f"profile: none\nsampling: {{interval: {SAMPLE * 1000:.0f}ms}}\npaths:\n" + "".join(
    f"  - {{name: {name}, remote: {address}, idle_timeout: {IDLE_TIMEOUT}s}}\n"
    for name, address in ADDRESSES.items()
)


@dataclass(frozen=True, slots=True)
class Fate:
    """
    What became of one pool: how many died when used, and what the metrics said of it.

    protection and at_risk are from before that, stalled from a moment later, the rest from the end;
    spells are the mean idle spells of its closures, in seconds, by reason.
    """

    protection: dict[str, float]
    at_risk: float
    stalled: float
    died: int
    closures: dict[str, float]
    spells: dict[str, float]
    drops: dict[str, float]


def play(lab: NatLab, exporter: Exporter) -> dict[str, Fate]:
    """
    Connect all pools, leave them alone, use every connection at once, close them.
    """
    pools = {
        name: [lab.client.call(connect, ADDRESSES[name]) for _ in range(SIZE)]
        for name, connect in POOLS.items()
    }
    connections = [connection for pool in pools.values() for connection in pool]
    assert not any(map(dies, connections))

    time.sleep(IDLE_SPELL)
    before = exporter.scrape()
    with ThreadPoolExecutor(len(connections)) as threads:
        deaths = {name: threads.map(dies, pool) for name, pool in pools.items()}
        time.sleep(4 * SAMPLE)
        meanwhile = exporter.scrape()
    for connection in connections:
        connection.close()
    time.sleep(2 * SAMPLE)
    return {name: fate(name, before, meanwhile, exporter.scrape(), deaths[name]) for name in POOLS}


def fate(
    name: str, before: Scrape, meanwhile: Scrape, after: Scrape, deaths: Iterable[bool]
) -> Fate:
    """
    What three scrapes say of a pool.
    """
    closures = after.by("reason", "closure_idle_seconds_count", path=name)
    seconds = after.by("reason", "closure_idle_seconds_sum", path=name)
    return Fate(
        protection=before.by("protection", "connections", path=name),
        at_risk=sum(
            before.total("connections", path=name, protection=protection, idle_state=state)
            for protection in ("none", "late")
            for state in ("near_limit", "over_limit")
        ),
        stalled=meanwhile.total("connections", path=name, idle_state="stalled"),
        died=sum(deaths),
        closures=closures,
        spells={reason: seconds[reason] / number for reason, number in closures.items()},
        drops=after.by("reason", "idle_drops_total", path=name),
    )


def dies(connection: Connection) -> bool:
    """
    Use a connection; whether that tells that it is dead.
    """
    try:
        connection.use()
    except DEATHS:
        return True
    return False


@contextmanager
def postgresql_servers(hosts: Iterable[Host]) -> Iterator[None]:
    """
    Run a PostgreSQL server in each host until the block is left.

    It refuses to run as root, and its own user cannot enter the directories that pytest makes.
    """
    programs = sorted(_POSTGRESQL.glob("*/bin/initdb"))
    if not programs:
        raise LabError("this test needs Debian's package postgresql")
    with tempfile.TemporaryDirectory(prefix="postgresql-") as directory, ExitStack() as servers:
        shutil.chown(directory, "postgres", "postgres")
        as_postgres: dict[str, Any] = {
            "cwd": directory,
            "user": "postgres",
            "group": "postgres",
            "extra_groups": [],
            "stdout": subprocess.DEVNULL,
        }
        initdb = [str(programs[-1]), "--no-sync", "--auth=trust", "--pgdata=new"]
        subprocess.run(initdb, check=True, **as_postgres)
        with Path(directory, "new/pg_hba.conf").open("a") as file:
            file.write("host all all all trust\n")
        for host in hosts:
            subprocess.run(["cp", "--archive", "new", host.name], check=True, **as_postgres)
            argv = [str(programs[-1].with_name("postgres")), "-D", host.name]
            argv += ["-c", "listen_addresses=*", "-c", "unix_socket_directories="]
            log = servers.enter_context(Path(directory, f"{host.name}.log").open("w"))
            server = host.start(argv, stderr=log, **as_postgres)
            servers.callback(server.wait, _TIMEOUT)
            # At once, though clients are connected. SIGTERM would wait for them.
            servers.callback(server.send_signal, signal.SIGINT)
            until_it_works(host, postgresql())
        yield


def start_redis(host: Host, directory: Path) -> None:
    """
    Start a Redis server with the keepalive it comes with, 300 s, and one with 2 s.
    """
    if shutil.which("redis-server") is None:
        raise LabError("this test needs Debian's package redis-server")
    for port, keepalive in ((_REDIS_PORT, 300), (_CURED_REDIS_PORT, 2)):
        settings = {"port": port, "tcp-keepalive": keepalive, "protected-mode": "no", "save": ""}
        argv = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
        host.start(["redis-server", *argv], cwd=directory, stdout=subprocess.DEVNULL)
        until_it_works(host, redis_py(port))


def until_it_works(host: Host, connect: Connect) -> None:
    """
    Return when a server can be connected to from its own host.
    """
    end = time.monotonic() + _TIMEOUT
    while True:
        try:
            host.call(connect, "127.0.0.1").close()
        except DEATHS:
            assert time.monotonic() < end
            time.sleep(0.1)
        else:
            return


Story = dict[OnTimeout, dict[str, Fate]]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """
    The fate of each pool behind a NAT that is silent and behind one that resets, side by side.
    """
    with ExitStack() as stack:
        labs = {
            mode: stack.enter_context(nat_lab(idle_timeout=IDLE_TIMEOUT, on_timeout=mode))
            for mode in MODES
        }
        stack.enter_context(postgresql_servers(lab.server for lab in labs.values()))
        exporters = []
        for mode, lab in labs.items():
            # Retransmission then gives up after 3 s instead of 15 minutes.
            lab.client.sysctl("net.ipv4.tcp_retries2", 3)
            for address in ADDRESSES.values():
                lab.server.ip(f"addr add {address}/24 dev eth0")
            start_redis(lab.server, tmp_path_factory.mktemp(mode))
            exporters.append(stack.enter_context(exporter_inside(lab.client, CONFIG)))
        with ThreadPoolExecutor(len(labs)) as threads:
            fates = threads.map(play, labs.values(), exporters)
        told = dict(zip(labs, fates, strict=True))
    print(report(told))
    return told


def report(told: Story) -> str:
    """
    All that was seen, as a table.
    """
    heads = [
        "NAT",
        "pool",
        "protection",
        "at risk",
        "stalled",
        "died",
        "closures",
        "spells",
        "drops",
    ]
    return "\n" + table(
        heads,
        (
            (mode, name, *(words(getattr(fate, field.name)) for field in fields(Fate)))
            for mode, by_name in told.items()
            for name, fate in by_name.items()
        ),
    )


def words(value: float | dict[str, float]) -> str:
    """
    A number, or what each label stands at.
    """
    if isinstance(value, dict):
        return ", ".join(f"{label} {number:g}" for label, number in value.items()) or "-"
    return f"{value:g}"


@pytest.mark.parametrize("mode", MODES)
class TestAsTheyCome:
    """
    Pools without a cure.
    """

    @pytest.mark.parametrize(("name", "protection"), [("postgresql", "late"), ("redis", "none")])
    def test_at_risk(self, story: Story, mode: OnTimeout, name: str, protection: str) -> None:
        """
        Before they are used again all their connections are at risk, for want of a keepalive.
        """
        assert story[mode][name].protection == {protection: SIZE}
        assert story[mode][name].at_risk == SIZE

    @pytest.mark.parametrize("name", AS_THEY_COME)
    def test_idle_drops(self, story: Story, mode: OnTimeout, name: str) -> None:
        """
        All their connections die on first use, and count as idle drops of the right reason.
        """
        assert story[mode][name].died == SIZE
        assert story[mode][name].drops == {DEATH[mode]: SIZE}

    @pytest.mark.parametrize("name", AS_THEY_COME)
    def test_spell(self, story: Story, mode: OnTimeout, name: str) -> None:
        """
        The idle spell of the drops is the one they had, within a sample interval.
        """
        spells = story[mode][name].spells
        assert spells == {DEATH[mode]: pytest.approx(IDLE_SPELL, abs=SAMPLE + SLACK)}

    @pytest.mark.parametrize("name", AS_THEY_COME)
    def test_hang(self, story: Story, mode: OnTimeout, name: str) -> None:
        """
        Behind a silent NAT they are stalled until the kernel gives up; a reset ends them at once.
        """
        assert story[mode][name].stalled == (SIZE if mode == "drop" else 0)


@pytest.mark.parametrize("mode", MODES)
class TestCured:
    """
    Pools with keepalives in time.
    """

    @pytest.mark.parametrize(
        ("pools", "protection"), [(CURED_BY_CLIENT, "own"), (CURED_BY_SERVER, "peer")]
    )
    def test_protected(
        self, story: Story, mode: OnTimeout, pools: Iterable[str], protection: str
    ) -> None:
        """
        None of their connections is at risk, by the probes of the side that was cured.
        """
        for name in pools:
            assert story[mode][name].protection == {protection: SIZE}
            assert story[mode][name].at_risk == 0

    @pytest.mark.parametrize("name", [*CURED_BY_CLIENT, *CURED_BY_SERVER])
    def test_nothing_dies(self, story: Story, mode: OnTimeout, name: str) -> None:
        """
        All their connections still work after the same idle spell, and end normally.
        """
        assert story[mode][name].died == 0
        assert story[mode][name].drops == {}
        assert story[mode][name].closures == {"normal": SIZE}

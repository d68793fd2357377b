"""
Pools of PostgreSQL and Redis clients behind a NAT that forgets: as they come they lose their
connections, cured on either side they keep them, and the metrics say so.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, fields
from socket import TCP_KEEPCNT, TCP_KEEPIDLE, TCP_KEEPINTVL
from typing import Any

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.e2e.exporting import Exporter, Scrape, exporter_inside, table
from tests.e2e.servers import PostgreSQL, Redis
from tests.lab import LAB_MARKS, Host, NatLab, OnTimeout, nat_lab

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
            socket_timeout=None,  # it waits for the kernel to give up
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

_PATHS = "".join(
    f"  - {{name: {name}, remote: {address}, idle_timeout: {IDLE_TIMEOUT}s}}\n"
    for name, address in ADDRESSES.items()
)
CONFIG = f"""
profile: none
sampling: {{interval: {SAMPLE * 1000:.0f}ms, max_duty_cycle: 1}}
paths:
{_PATHS}"""


@dataclass(frozen=True, slots=True)
class Fate:
    """
    What became of one pool: how many died when used, and what the metrics said of it.

    protection and at_risk are from before that, stalled from a moment later, the rest from the end;
    spells are the mean idle spells of its closures, in seconds, by reason.
    """

    protection: dict[str, int]
    at_risk: float
    stalled: float
    died: int
    closures: dict[str, int]
    spells: dict[str, float]
    drops: dict[str, int]


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
    after = exporter.scrape()
    return {name: fate(name, before, meanwhile, after, deaths[name]) for name in POOLS}


def fate(
    name: str, before: Scrape, meanwhile: Scrape, after: Scrape, deaths: Iterable[bool]
) -> Fate:
    """
    What three scrapes say of a pool.
    """
    closures = after.by("reason", "closure_idle_seconds_count", path=name)
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
        spells={
            reason: after.total("closure_idle_seconds_sum", path=name, reason=reason) / number
            for reason, number in closures.items()
        },
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


def wait_until_it_works(host: Host, connect: Connect) -> None:
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
        postgresql_servers = stack.enter_context(PostgreSQL.installed())
        redis_servers = Redis(tmp_path_factory.mktemp("redis"))
        for lab in labs.values():
            # Retransmission then gives up after 3 s instead of 15 minutes.
            lab.client.sysctl("net.ipv4.tcp_retries2", 3)
            for address in ADDRESSES.values():
                lab.server.ip(f"addr add {address}/24 dev eth0")
            postgresql_servers.start(lab.server, 5432, "")
            redis_servers.start(lab.server, _REDIS_PORT, "")
            redis_servers.start(lab.server, _CURED_REDIS_PORT, "tcp-keepalive 2")
            for connect in (postgresql(), redis_py(), redis_py(_CURED_REDIS_PORT)):
                wait_until_it_works(lab.server, connect)
        exporters = [
            stack.enter_context(exporter_inside(lab.client, CONFIG)) for lab in labs.values()
        ]
        with ThreadPoolExecutor(len(labs)) as threads:
            fates = threads.map(play, labs.values(), exporters)
        told = dict(zip(labs, fates, strict=True))
    print(report(told))
    return told


def report(told: Story) -> str:
    """
    All that was seen, as a table.
    """
    return "\n" + table(
        ["NAT", "pool", *(field.name for field in fields(Fate))],
        (
            (mode, name, *(words(getattr(fate, field.name)) for field in fields(Fate)))
            for mode, by_name in told.items()
            for name, fate in by_name.items()
        ),
    )


def words(value: float | Mapping[str, float]) -> str:
    """
    A number, or what each label stands at.
    """
    if isinstance(value, Mapping):
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

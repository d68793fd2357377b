"""
Pools of PostgreSQL and Redis clients behind a NAT with an idle timeout. With defaults their
connections are dropped, with keepalives on either side they survive, and the metrics agree.
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

from tests.e2e.exporting import Exporter, Scrape, exporter_inside, table, with_paths
from tests.e2e.servers import PostgreSQL, Redis
from tests.lab import LAB_MARKS, Host, NatLab, OnTimeout, nat_lab

pytestmark = LAB_MARKS

IDLE_TIMEOUT = 5
IDLE_SPELL = 8
SAMPLE = 0.5
SLACK = 0.2
"""Additional seconds for using all connections and taking samples on a busy machine."""
SIZE = 3
"""Connections in a pool."""
MODES: tuple[OnTimeout, ...] = ("drop", "reset")
CLOSE_REASON: Mapping[OnTimeout, str] = {"drop": "retransmit_timeout", "reset": "reset"}

_REDIS_PORT, _KEEPALIVE_REDIS_PORT = 6379, 6380
_TIMEOUT = 20.0


@dataclass(frozen=True, slots=True)
class Connection:
    """
    A connection of a pool. use raises one of CONNECTION_ERRORS if the connection was dropped.
    """

    use: Callable[[], object]
    close: Callable[[], object]


CONNECTION_ERRORS = (psycopg.OperationalError, redis.ConnectionError, redis.TimeoutError)
Connect = Callable[[str], Connection]
"""A function that connects to the server at an address."""


def postgresql(options: str = "") -> Connect:
    """
    Connect with libpq, with these additional words in the connection string.
    """

    def connect(address: str) -> Connection:
        target = f"host={address} user=postgres dbname=postgres {options}"
        connection = psycopg.connect(target, autocommit=True)
        return Connection(lambda: connection.execute("select 1"), connection.close)

    return connect


def redis_py(port: int = _REDIS_PORT, **options: Any) -> Connect:
    """
    Connect with redis-py, with these options.
    """

    def connect(address: str) -> Connection:
        client = redis.Redis(
            address,
            port,
            single_connection_client=True,
            socket_timeout=None,  # wait for the kernel's timeout
            retry=Retry(NoBackoff(), 0),  # otherwise it reconnects and hides the error
            **options,
        )
        return Connection(client.ping, client.close)

    return connect


KEEPALIVE_IN_TIME = {TCP_KEEPIDLE: 2, TCP_KEEPINTVL: 1, TCP_KEEPCNT: 3}

UNPROTECTED = {
    "postgresql": postgresql(),
    "redis": redis_py(socket_keepalive=False),  # the default until redis-py 8
}
PROTECTED_BY_CLIENT = {
    "postgresql-client": postgresql("keepalives_idle=2 keepalives_interval=1"),
    "redis-client": redis_py(socket_keepalive=True, socket_keepalive_options=KEEPALIVE_IN_TIME),
}
PROTECTED_BY_SERVER = {
    "postgresql-server": postgresql(
        "options='-c tcp_keepalives_idle=2 -c tcp_keepalives_interval=1'"
    ),
    "redis-server": redis_py(_KEEPALIVE_REDIS_PORT, socket_keepalive=False),
}
POOLS = UNPROTECTED | PROTECTED_BY_CLIENT | PROTECTED_BY_SERVER
# Each pool has its own server address, and therefore its own path.
ADDRESSES = {name: f"203.0.113.{number}" for number, name in enumerate(POOLS, 21)}
CONFIG = with_paths(ADDRESSES, IDLE_TIMEOUT, SAMPLE)


@dataclass(frozen=True, slots=True)
class PoolResult:
    """
    The number of dropped connections of one pool, and its metrics.

    protection and at_risk are from before the connections are used, stalled is from shortly after,
    and the others are from the end. spells has the mean idle time of closures by reason, in
    seconds.
    """

    protection: dict[str, int]
    at_risk: float
    stalled: float
    dropped: int
    closures: dict[str, int]
    spells: dict[str, float]
    drops: dict[str, int]


def use_pools(lab: NatLab, exporter: Exporter) -> dict[str, PoolResult]:
    """
    Connect all pools, leave them idle, use all connections at once, and close them.
    """
    pools = {
        name: [lab.client.call(connect, ADDRESSES[name]) for _ in range(SIZE)]
        for name, connect in POOLS.items()
    }
    connections = [connection for pool in pools.values() for connection in pool]
    assert not any(map(is_dropped, connections))

    time.sleep(IDLE_SPELL)
    before = exporter.scrape()
    with ThreadPoolExecutor(len(connections)) as threads:
        dropped = {name: threads.map(is_dropped, pool) for name, pool in pools.items()}
        time.sleep(4 * SAMPLE)
        during = exporter.scrape()
    for connection in connections:
        connection.close()
    time.sleep(2 * SAMPLE)
    after = exporter.scrape()
    return {name: pool_result(name, before, during, after, dropped[name]) for name in POOLS}


def pool_result(
    name: str, before: Scrape, during: Scrape, after: Scrape, dropped: Iterable[bool]
) -> PoolResult:
    """
    The result of a pool from three scrapes.
    """
    closures = after.by("reason", "closure_idle_seconds_count", path=name)
    return PoolResult(
        protection=before.by("protection", "connections", path=name),
        at_risk=sum(
            before.total("connections", path=name, protection=protection, idle_state=state)
            for protection in ("none", "late")
            for state in ("near_limit", "over_limit")
        ),
        stalled=during.total("connections", path=name, idle_state="stalled"),
        dropped=sum(dropped),
        closures=closures,
        spells={
            reason: after.total("closure_idle_seconds_sum", path=name, reason=reason) / number
            for reason, number in closures.items()
        },
        drops=after.by("reason", "idle_drops_total", path=name),
    )


def is_dropped(connection: Connection) -> bool:
    """
    Use a connection; returns whether it was dropped.
    """
    try:
        connection.use()
    except CONNECTION_ERRORS:
        return True
    return False


def wait_for_server(host: Host, connect: Connect) -> None:
    """
    Wait until a server accepts connections from its own host.
    """
    end = time.monotonic() + _TIMEOUT
    while True:
        try:
            host.call(connect, "127.0.0.1").close()
        except CONNECTION_ERRORS:
            assert time.monotonic() < end
            time.sleep(0.1)
        else:
            return


Results = dict[OnTimeout, dict[str, PoolResult]]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """
    The result of each pool behind a silent NAT and behind a resetting NAT, run in parallel.
    """
    with ExitStack() as stack:
        labs = {
            mode: stack.enter_context(nat_lab(idle_timeout=IDLE_TIMEOUT, on_timeout=mode))
            for mode in MODES
        }
        postgresql_servers = stack.enter_context(PostgreSQL.installed())
        redis_servers = Redis(tmp_path_factory.mktemp("redis"))
        for lab in labs.values():
            # With 3, retransmission gives up after 3 s instead of 15 minutes.
            lab.client.sysctl("net.ipv4.tcp_retries2", 3)
            for address in ADDRESSES.values():
                lab.server.ip(f"addr add {address}/24 dev eth0")
            postgresql_servers.start(lab.server, 5432, "")
            redis_servers.start(lab.server, _REDIS_PORT, "")
            redis_servers.start(lab.server, _KEEPALIVE_REDIS_PORT, "tcp-keepalive 2")
            for connect in (postgresql(), redis_py(), redis_py(_KEEPALIVE_REDIS_PORT)):
                wait_for_server(lab.server, connect)
        exporters = [
            stack.enter_context(exporter_inside(lab.client, CONFIG)) for lab in labs.values()
        ]
        with ThreadPoolExecutor(len(labs)) as threads:
            pool_results = threads.map(use_pools, labs.values(), exporters)
        by_mode = dict(zip(labs, pool_results, strict=True))
    print(report(by_mode))
    return by_mode


def report(by_mode: Results) -> str:
    """
    The results as a table.
    """
    return "\n" + table(
        ["NAT", "pool", *(field.name for field in fields(PoolResult))],
        (
            (mode, name, *(words(getattr(result, field.name)) for field in fields(PoolResult)))
            for mode, by_name in by_mode.items()
            for name, result in by_name.items()
        ),
    )


def words(value: float | Mapping[str, float]) -> str:
    """
    A number, or the numbers by label.
    """
    if isinstance(value, Mapping):
        return ", ".join(f"{label} {number:g}" for label, number in value.items()) or "-"
    return f"{value:g}"


@pytest.mark.parametrize("mode", MODES)
class TestUnprotected:
    """
    Pools without keepalives in time.
    """

    @pytest.mark.parametrize(("name", "protection"), [("postgresql", "late"), ("redis", "none")])
    def test_at_risk(self, results: Results, mode: OnTimeout, name: str, protection: str) -> None:
        """
        Before they are used again, all their connections are at risk, without a keepalive in time.
        """
        assert results[mode][name].protection == {protection: SIZE}
        assert results[mode][name].at_risk == SIZE

    @pytest.mark.parametrize("name", UNPROTECTED)
    def test_idle_drops(self, results: Results, mode: OnTimeout, name: str) -> None:
        """
        All their connections are lost at the first use, and counted as idle drops with the right
        reason.
        """
        assert results[mode][name].dropped == SIZE
        assert results[mode][name].drops == {CLOSE_REASON[mode]: SIZE}

    @pytest.mark.parametrize("name", UNPROTECTED)
    def test_spell(self, results: Results, mode: OnTimeout, name: str) -> None:
        """
        The exported idle time of the drops is within a sample interval of the actual one.
        """
        spells = results[mode][name].spells
        assert spells == {CLOSE_REASON[mode]: pytest.approx(IDLE_SPELL, abs=SAMPLE + SLACK)}

    @pytest.mark.parametrize("name", UNPROTECTED)
    def test_stalled(self, results: Results, mode: OnTimeout, name: str) -> None:
        """
        Behind a silent NAT they are stalled until the kernel's timeout. A reset ends them at once.
        """
        assert results[mode][name].stalled == (SIZE if mode == "drop" else 0)


@pytest.mark.parametrize("mode", MODES)
class TestProtected:
    """
    Pools with keepalives in time.
    """

    @pytest.mark.parametrize(
        ("pools", "protection"), [(PROTECTED_BY_CLIENT, "own"), (PROTECTED_BY_SERVER, "peer")]
    )
    def test_protected(
        self, results: Results, mode: OnTimeout, pools: Iterable[str], protection: str
    ) -> None:
        """
        None of their connections is at risk. The protection is that of the side with keepalives.
        """
        for name in pools:
            assert results[mode][name].protection == {protection: SIZE}
            assert results[mode][name].at_risk == 0

    @pytest.mark.parametrize("name", [*PROTECTED_BY_CLIENT, *PROTECTED_BY_SERVER])
    def test_nothing_dropped(self, results: Results, mode: OnTimeout, name: str) -> None:
        """
        All their connections work after the same idle time, and end normally.
        """
        assert results[mode][name].dropped == 0
        assert results[mode][name].drops == {}
        assert results[mode][name].closures == {"normal": SIZE}

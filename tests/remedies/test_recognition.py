"""
Recognition of clients by process, command line, port and socket options.
"""

from typing import Any

import pytest

from exporter.model import Direction, SocketOptions
from exporter.remedies.clients import known_clients
from exporter.remedies.recognition import ClientRecogniser, ClientTraits, RecognisedClient

Times = tuple[int, ...]
OFF: Times = ()
SYSTEM: Times = (7200, 75, 9)
IN = Direction.INBOUND
JAVA_PASSWORD = "java -cp app.jar:HikariCP-6.2.1.jar Main --password=hunter2"


def options(times: Times) -> SocketOptions:
    """
    Exact options: time, interval, probes and TCP_USER_TIMEOUT; without, keepalive is off.
    """
    time, interval, probes, user_timeout = (*(times or SYSTEM), 0)[:4]
    return SocketOptions(
        keepalive=bool(times),
        time=time,
        interval=interval,
        probes=probes,
        user_timeout=user_timeout,
    )


def recognise(
    process: str,
    port: int,
    times: Times | None,
    direction: Direction = Direction.OUTBOUND,
    command: str = "",
) -> RecognisedClient | None:
    """
    The client of a connection; times is None if its options are unreadable.
    """
    exact = None if times is None else options(times)
    traits = ClientTraits(
        process=(process,) if process else (),
        command=command or f"/usr/bin/{process} --serve",
        direction=direction,
        port=port,
        on=None if exact is None else exact.keepalive,
        options=exact,
    )
    return ClientRecogniser(known_clients()).recognise(traits)


PROGRAMS: dict[str, tuple[Any, ...]] = {
    "postgresql-server": ("postgres", 5432, SYSTEM, IN),
    "redis-server": ("redis-server", 6379, (300, 100, 3), IN),
    "mysql-server": ("mariadbd", 3306, SYSTEM, IN),
    "pgbouncer": ("pgbouncer", 6432, SYSTEM, IN),
    "nginx-upstream": ("nginx", 8080, OFF),
    "nginx": ("nginx", 443, OFF, IN),
    "haproxy-server": ("haproxy", 8080, OFF),
    "haproxy": ("haproxy", 443, OFF, IN),
    "sshd": ("sshd", 22, SYSTEM, IN),
    "ssh": ("ssh", 22, SYSTEM),
    "systemd-socket": ("systemd", 9090, OFF, IN),
    "curl": ("curl", 443, (60, 60, 9)),
    "libpq": ("psql", 5433, SYSTEM),
    "botocore": ("aws", 443, OFF),
}
"""Programs that are named by their process, also recognised without options."""

GUESSES: list[tuple[Any, ...]] = [
    ("hikaricp", "java", 5432, OFF, JAVA_PASSWORD),
    ("pgjdbc", "java", 5432, OFF),
    ("pgjdbc", "java", 6432, SYSTEM),
    ("pgjdbc", "java", 5432, None),
    ("npgsql", "dotnet", 5432, OFF),
    ("node-postgres", "node", 5432, OFF),
    ("node-postgres", "MainThread", 5432, (120, 1, 10)),
    ("asyncpg", "python3.12", 5432, OFF),
    ("libpq", "python3", 5432, SYSTEM),
    ("libpq", "ruby", 5432, SYSTEM),
    ("pgx", "billing", 5432, (300, 15, 9)),
    ("pgx", "billing", 5432, (15, 15, 9)),
    ("mssql-jdbc", "java", 1433, (30, 1, 9)),
    ("mssql-jdbc", "java", 11433, (30, 1, 9)),
    ("sqlclient", "dotnet", 1433, OFF),
    ("sqlclient", "Billing.Api", 1433, (30, 1, 9)),
    ("mariadb-connector-j", "java", 3306, SYSTEM, "java -cp mariadb-java-client-3.5.jar Main"),
    ("mysql-connector-j", "java", 3306, SYSTEM),
    ("mysql2", "node", 3306, SYSTEM),
    ("redis-py", "python", 6379, OFF),
    ("redis-py", "celery", 6380, (30, 5, 3)),
    ("lettuce", "java", 6379, OFF),
    ("lettuce", "java", 7000, (13, 13, 3)),
    ("lettuce", "java", 6379, None, "java -cp lettuce-core-7.4.jar Main"),
    ("jedis", "java", 6379, SYSTEM),
    ("stackexchange-redis", "dotnet", 6380, SYSTEM),
    ("ioredis", "node", 6379, (30, 1, 10)),
    ("go-redis", "cart", 6379, (300, 15, 9)),
    ("go-redis", "cart", 6379, (30, 5, 3)),
    ("mongodb", "orders", 27017, (300, 10, 9)),
    ("kafka-java", "java", 9093, SYSTEM),
    ("librdkafka", "orders", 9092, OFF),
    ("rabbitmq", "orders", 5671, OFF),
    ("grpc", "cart", 50051, SYSTEM),
    ("apache-httpclient", "java", 8443, (5, 5, 3)),
    ("apache-httpclient", "java", 443, OFF, "java -cp httpclient5-5.3.jar Main"),
    ("java-http", "java", 443, OFF),
    ("dotnet-http", "dotnet", 443, OFF),
    ("undici", "node", 443, (60, 1, 10)),
    ("node-http", "node", 443, (1, 1, 10)),
    ("node-http", "node", 443, OFF),
    ("anthropic", "python", 443, (60, 60, 5)),
    ("botocore", "python3.11", 443, SYSTEM),
    ("python-http", "gunicorn", 443, OFF),
    ("reqwest", "cart", 443, (15, 15, 3, 30)),
    ("go", "cart", 443, (30, 30, 9)),
    ("go", "cart", 8500, (15, 15, 9)),
    ("java", "java", 389, OFF),
    ("node", "node", 9000, OFF),
    ("node", "cart", 443, (45, 1, 10)),
    ("python", "python3", 8765, OFF),
]


@pytest.mark.parametrize("readable", [True, False])
@pytest.mark.parametrize("client", PROGRAMS)
def test_program(client: str, readable: bool) -> None:
    """
    Programs are recognised by their process alone, and are no guess.
    """
    process, port, times, *direction = PROGRAMS[client]
    found = recognise(process, port, times if readable else None, *direction)
    assert found
    assert (found.client.id, found.certain) == (client, True)


@pytest.mark.parametrize("row", GUESSES, ids=str)
def test_guess(row: tuple[Any, ...]) -> None:
    """
    Libraries are guessed.
    """
    client, process, port, times, *command = row
    found = recognise(process, port, times, Direction.OUTBOUND, *command)
    assert found
    assert (found.client.id, found.certain) == (client, False)


def test_aiohttp_server() -> None:
    """
    Python's server that enables keepalive is aiohttp's.
    """
    found = recognise("python3", 8080, SYSTEM, IN)
    assert found
    assert found.client.id == "aiohttp-server"


def test_every_client_is_in_a_table() -> None:
    """
    The tables have every client of the file.
    """
    tested = {*PROGRAMS, *(row[0] for row in GUESSES), "aiohttp-server"}
    assert tested == {each.id for each in known_clients()}


@pytest.mark.parametrize(
    ("process", "port", "times", "direction"),
    [
        pytest.param("", 5432, None, Direction.OUTBOUND, id="unknown process"),
        pytest.param("cart", 443, OFF, Direction.OUTBOUND, id="any program without keepalive"),
        pytest.param("cart", 443, SYSTEM, Direction.OUTBOUND, id="any program with it"),
        pytest.param("cart", 5432, OFF, Direction.OUTBOUND, id="PostgreSQL without keepalive"),
        pytest.param("cart", 6379, SYSTEM, Direction.OUTBOUND, id="Redis with the system's times"),
        pytest.param("cart", 443, (15, 15, 4), Direction.OUTBOUND, id="own times"),
        pytest.param("cart", 443, None, Direction.OUTBOUND, id="unreadable options"),
        pytest.param("postgres", 5433, OFF, Direction.OUTBOUND, id="a server's own client"),
        pytest.param("nodejs-exporter", 9100, OFF, Direction.OUTBOUND, id="a similar name"),
    ],
)
def test_not_recognised(process: str, port: int, times: Times | None, direction: Direction) -> None:
    """
    Nothing is guessed where many clients are equally likely.
    """
    assert recognise(process, port, times, direction) is None


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ((300, 100, 3), {"Redis server", "go-redis < 9.22", "pgx < 5.6"}),
        ((300, 15, 9), {"go-redis < 9.22", "pgx < 5.6", "MongoDB driver older drivers"}),
        ((30, 1, 9), {"mssql-jdbc", "Microsoft.Data.SqlClient"}),
        ((45, 1, 10), {"Node.js setKeepAlive()"}),
        ((15, 15, 9), {"Go", "pgx >= 5.6"}),
        ((15, 15, 3, 30), {"reqwest >= 0.12.23"}),
        ((77, 7, 7), set()),
    ],
)
def test_defaults_like(times: Times, expected: set[str]) -> None:
    """
    Unusual times name the clients whose defaults they are.
    """
    found = ClientRecogniser(known_clients()).defaults_like(options(times))
    assert expected <= set(found)
    assert bool(expected) == bool(found)


def test_command_is_not_shown() -> None:
    """
    The command line is not part of the representation, which tracebacks and logs may have.
    """
    traits = ClientTraits(("java",), JAVA_PASSWORD, Direction.OUTBOUND, 5432, None, None)
    assert "hunter2" not in repr(traits)

"""
Hints to clients, their sentences, and the commands that help when connections hang.
"""

import shlex

import pytest

from exporter.connections.advice import Advice
from exporter.connections.hint_lines import MOST_LINES, hint_lines
from exporter.connections.rescue import rescue_commands
from exporter.connections.rows import Connection, Keepalive
from exporter.connections.to_json import document
from exporter.model import Direction, OnTimeout, OwningProcess, Path, Protection, Risk
from tests.connections.examples import EXAMPLES, FRAGILE, OFF, connection, look

SHORT = Path("short", Direction.OUTBOUND, ("any",), 90, OnTimeout.DROP)
STALLED = {"risk": Risk.STALLED, "advice": Advice.STALLED}


def on(time: float, interval: float = 75, probes: int = 9) -> Keepalive:
    """
    Exact keepalive options.
    """
    return Keepalive(
        exact=True, on=True, time=time, interval=interval, probes=probes, user_timeout=0
    )


def test_issue_example() -> None:
    """
    The client and its fix follow the advice; equal ones share a sentence.
    """
    assert hint_lines(Advice.NO_KEEPALIVE, [connection(), connection(local_port=5)]) == [
        (
            "java -> :5432 (2), probably pgjdbc: set tcpKeepAlive=true in the JDBC URL and"
            " net.ipv4.tcp_keepalive_time=120 in its network namespace."
        )
    ]


def test_values_of_the_path() -> None:
    """
    The values are those for the connection's own path.
    """
    row = connection(path=SHORT, process=OwningProcess(1, "node", 3), remote_port=6379)
    (line,) = hint_lines(Advice.NO_KEEPALIVE, [row])
    assert line == "node -> :6379, probably ioredis: set keepAlive: 45000 in the options."


def test_program() -> None:
    """
    A program that is named by its process is no guess.
    """
    assert hint_lines(Advice.OWN_TIME_LATE, [EXAMPLES[3]]) == [
        "redis-server on :6379: set tcp-keepalive 120 in redis.conf."
    ]


def test_unknown_client() -> None:
    """
    Unusual times of an unrecognised client name those whose default they are.
    """
    app = OwningProcess(1, "a\x1b[31mpp", 3)
    row = connection(
        process=app,
        remote_port=7000,
        protection=Protection.LATE,
        keepalive=on(300, 300),
        advice=Advice.OWN_TIME_LATE,
    )
    (line,) = hint_lines(Advice.OWN_TIME_LATE, [row])
    assert line.startswith(
        "a\\x1b[31mpp -> :7000: its keepalive options are a default of pgx < 5.6"
    )
    assert "go-redis < 9.22" in line


@pytest.mark.parametrize(
    "changes",
    [
        {"process": OwningProcess(1, "app", 3), "remote_port": 7000},
        {"process": None},
        {"advice": Advice.ARMED_BEFORE_CHANGE, "protection": Protection.LATE, "keepalive": on(120)},
        {"advice": Advice.PEER_CLOSED, "risk": Risk.PEER_CLOSED},
    ],
)
def test_nothing_to_say(changes: dict[str, object]) -> None:
    """
    Without a client, or for advice that no client can follow, the advice is on its own.
    """
    row = connection(**changes)
    assert row.advice
    assert hint_lines(row.advice, [row]) == []


@pytest.mark.parametrize(
    ("protection", "keepalive", "prevention"),
    [
        (Protection.NONE, OFF, "none. Prevention: enable SO_KEEPALIVE with a time of 120 s."),
        (
            Protection.LATE,
            on(7200),
            "late. Prevention: set net.ipv4.tcp_keepalive_time=120 in its network namespace.",
        ),
        (Protection.LATE, on(600), "late. Prevention: set TCP_KEEPIDLE to 120 s."),
    ],
)
def test_prevention(protection: Protection, keepalive: Keepalive, prevention: str) -> None:
    """
    Connections that hang have what would have prevented it, for unrecognised clients too, and the
    two commands.
    """
    row = connection(
        process=OwningProcess(1, "app", 3),
        remote_port=7000,
        protection=protection,
        keepalive=keepalive,
        **STALLED,
    )
    assert hint_lines(Advice.STALLED, [row, row]) == [
        f"app -> :7000 (2), protection {prevention}",
        "To end the hang now: tcp-keepalive-exporter reset --apply --workload billing.service",
        (
            "To protect the other connections: tcp-keepalive-exporter protect --apply --workload"
            " billing.service"
        ),
    ]


def test_prevention_of_a_client() -> None:
    """
    For a recognised client, it is the client's own fix.
    """
    first, *_ = hint_lines(Advice.STALLED, [EXAMPLES[0]])
    assert first == (
        "node -> :443, probably http.Agent of Node.js, protection none. Prevention: use new"
        " http.Agent({keepAlive: true, keepAliveMsecs: 120000})."
    )


def test_protected_and_hanging() -> None:
    """
    Keepalive could not prevent the hang of a protected connection.
    """
    row = connection(protection=Protection.OWN, keepalive=on(60, 30), **STALLED)
    assert [line.partition(":")[0] for line in hint_lines(Advice.STALLED, [row])] == [
        "To end the hang now",
        "To protect the other connections",
    ]


@pytest.mark.parametrize(
    ("changes", "flags"),
    [
        ({}, ["--workload", "billing.service"]),
        ({"workload": "a b;$(x)'"}, ["--workload", "a b;$(x)'"]),
        ({"workload": "web[1]*?"}, ["--workload", "web[[]1][*][?]"]),
        ({"workload": None}, ["--remote", "203.0.113.10:5432"]),
        ({"workload": "a\x1b"}, ["--remote", "203.0.113.10:5432"]),
        ({"workload": None, "remote": "2001:db8::1"}, ["--remote", "[2001:db8::1]:5432"]),
        ({"netns": "web"}, ["--namespaces", "all", "--workload", "billing.service"]),
    ],
)
def test_commands(changes: dict[str, object], flags: list[str]) -> None:
    """
    The commands select the connection, whatever the name of its workload is.
    """
    reset, protect = map(shlex.split, rescue_commands(connection(**STALLED, **changes)))
    assert reset == ["tcp-keepalive-exporter", "reset", "--apply", *flags]
    assert protect == ["tcp-keepalive-exporter", "protect", "--apply", *flags]


def test_no_commands() -> None:
    """
    Connections that do not hang need none.
    """
    assert rescue_commands(connection()) == ()


def test_many_lines() -> None:
    """
    Of very many sentences, the first ones are shown.
    """
    rows = [connection(workload=f"w{number}", **STALLED) for number in range(20)]
    lines = hint_lines(Advice.STALLED, rows)
    assert len(lines) == MOST_LINES
    assert lines[-1] == f"... and {1 + 2 * 20 - (MOST_LINES - 1)} more."


def test_fragile() -> None:
    """
    The fix of a fragile client is the one for that.
    """
    (line,) = hint_lines(Advice.FRAGILE, [FRAGILE])
    assert line.startswith(
        "node -> :443, probably undici (fetch of Node.js): set interval and count"
    )
    # It is a note, no risk.
    assert look(FRAGILE).by_risk == {Risk.SAFE: 1}


def test_json() -> None:
    """
    The keys of a connection that hangs.
    """
    (row,) = document(look(EXAMPLES[0]))["connections"]
    assert row["client"] == {"id": "node-http", "name": "http.Agent of Node.js", "probable": True}
    assert row["fix"] == "use new http.Agent({keepAlive: true, keepAliveMsecs: 120000})"
    assert row["default_of"] == []
    assert [command.split()[1] for command in row["commands"]] == ["reset", "protect"]


def test_json_default_of() -> None:
    """
    Defaults are listed only for unusual times.
    """

    def default_of(row: Connection) -> list[str]:
        (found,) = document(look(row))["connections"]
        names: list[str] = found["default_of"]
        return names

    assert "undici (fetch of Node.js)" in default_of(FRAGILE)
    assert default_of(EXAMPLES[4]) == []

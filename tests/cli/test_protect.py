"""
Connections that a NAT forgets while they are idle, and `protect`.
"""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.node import Node
from tests.e2e.protecting import Protected, config_with, protect, watching
from tests.exporter_process import AS_NOBODY, COMMAND, NO_CLOUD, ROOT
from tests.lab import LAB_MARKS, Connection, Host, Keepalive, NatLab, nat_lab, nat_labs, pair

pytestmark = LAB_MARKS

TIMEOUT = 8
CONFIG = config_with(TIMEOUT)
IDLE = 3 * TIMEOUT
HOLD = ("-m", "tests.e2e.connection_holders")


def port_of(connection: Connection) -> int:
    """
    The client's port.
    """
    port: int = connection.client.getsockname()[1]
    return port


def survive(connections: Sequence[Connection]) -> list[bool]:
    """
    Which connections still reach the server.
    """
    with ThreadPoolExecutor(50) as threads:
        return list(threads.map(Connection.reaches_server, connections))


@pytest.mark.timing
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
def test_idle_connections_survive(family: int) -> None:
    """
    Without protect, connections without keepalive and with a late one die after three timeouts.
    With it, at a tenth to nine tenths of the timeout, they survive.
    """
    shares = (0.1, 0.6, 0.9)
    labels = ("without", *(f"at-{share:g}" for share in shares))
    with nat_labs(*labels, idle_timeout=TIMEOUT) as (without, *labs):
        opened = time.monotonic()
        kinds = (None, Keepalive(300, 100, 3))
        held = {
            lab.client.name: [lab.connect(keepalive=each, family=family) for each in kinds]
            for lab in (without, *labs)
        }
        for share, lab in zip(shares, labs, strict=True):
            # The command takes a second to start.
            time.sleep(max(0, opened + share * TIMEOUT - 1 - time.monotonic()))
            done = protect(lab.client, CONFIG, "--apply")
            ports = map(port_of, held[lab.client.name])
            assert [done.outcome_of(port) for port in ports] == ["protected", "protected"]
            assert time.monotonic() - opened < TIMEOUT
        time.sleep(IDLE)
        results = {name: survive(connections) for name, connections in held.items()}
    assert results.pop(without.client.name) == [False, False]
    assert list(results.values()) == [[True, True]] * 3


def test_text(tmp_path: Path) -> None:
    """
    As text, the connections, a summary by workload, and how to go on are printed.
    """
    config = tmp_path / "config.yml"
    config.write_text(config_with(3600))
    with pair() as lab:
        held = lab.connect()
        command = [*COMMAND, "protect", f"--config.file={config}", NO_CLOUD]
        planned = lab.client.run(command, cwd=ROOT)
        applied = lab.client.run([*command, "--apply"], cwd=ROOT)
        again = lab.client.run([*command, "--apply"], cwd=ROOT)
        held.close()
    assert planned.stdout.startswith("1 connection: 1 would be protected.")
    assert "Nothing was changed. --apply sets these values." in planned.stdout
    assert planned.stderr == ""
    assert applied.stdout.startswith("1 connection: 1 protected.")
    assert 'msg="keepalive changed"' in applied.stderr
    assert again.stdout.startswith("1 connection: 1 already protected by keepalive. Nothing to do.")


def test_left_alone() -> None:
    """
    Connections with keepalive in time, on no path or closed by the peer are left alone; without
    --apply, all are. A second run has nothing to do.
    """
    with nat_lab(idle_timeout=TIMEOUT) as lab:
        off, own, closed = (
            lab.connect(keepalive=each) for each in (None, Keepalive(3, 1, 8), None)
        )
        closed.server.close()
        other = lab.client.listener()
        on_host = lab.client.connect(*other.getsockname())
        planned = protect(lab.client, CONFIG)
        assert not off.client.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        done, again = (protect(lab.client, CONFIG, "--apply") for _ in range(2))
        for sock in (closed.client, on_host):
            assert not sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert own.client.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 3
        port = port_of(off)
    assert (planned.code, planned.outcome_of(port)) == (0, "planned")
    assert (done.code, done.outcome_of(port)) == (0, "protected")
    assert done.document["left_alone"] == {
        "no_path": 2,
        "peer_closed": 1,
        "own": 1,
        "peer": 0,
    }
    assert (again.code, again.document["connections"]) == (0, [])
    (row,) = done.document["connections"]
    assert row["before"] == {"on": False, "time_seconds": 7200, "interval_seconds": 75, "probes": 9}
    assert row["values"] == {"on": True, "time_seconds": 4, "interval_seconds": 4, "probes": 8}
    assert 'msg="keepalive changed"' in done.log
    assert 'before="off 7200/75/9" after="on 4/4/8"' in done.log
    assert "keepalive changed" not in planned.log


def test_past_the_timeout() -> None:
    """
    A connection past its timeout is marked. Protecting it makes the kernel find out that it is
    dead.
    """
    with nat_lab(idle_timeout=2) as lab:
        dead = lab.connect()
        time.sleep(3)
        done = protect(lab.client, config_with(2), "--apply")
        assert [row["past_timeout"] for row in done.document["connections"]] == [True]
        assert dead.client_error(within=15) == "ETIMEDOUT"


def test_filters() -> None:
    """
    --remote and --pid select, and a pid that does not exist is an error.
    """
    with nat_lab(idle_timeout=TIMEOUT) as lab:
        port = port_of(lab.connect())
        address = lab.server.listener().getsockname()
        argv = [sys.executable, *HOLD, *map(str, address), "hold", "1"]
        holder = lab.client.start(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert holder.stdout is not None
        holder.stdout.readline()
        by_pid = protect(lab.client, CONFIG, f"--pid={holder.pid}")
        by_port = protect(lab.client, CONFIG, f"--remote=:{address[1]}")
        on_no_path = protect(lab.client, CONFIG, "--path=none")
        wrong = protect(lab.client, CONFIG, "--pid=4194305")
    for each in (by_pid, by_port):
        (row,) = each.document["connections"]
        assert row["process"]["pid"] == holder.pid
        assert each.outcome_of(port) is None
    assert on_no_path.document["connections"] == []
    assert (wrong.code, wrong.document) == (2, {})
    assert "4194305" in wrong.log


def test_other_namespaces() -> None:
    """
    With --namespaces all, connections of other namespaces and of processes with their own pid
    namespace, as in a container, are protected from outside.
    """
    with nat_lab(idle_timeout=TIMEOUT) as lab, Node() as node:
        address = lab.server.listener().getsockname()
        inside = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
        argv = [*node.prefix, *inside, sys.executable, *HOLD, *map(str, address), "hold", "2"]
        holder = lab.client.start(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert holder.stdout is not None
        holder.stdout.readline()
        done = protect(node, CONFIG, "--apply", "--namespaces=all")
        mine = [row for row in done.document["connections"] if row["remote"]["port"] == address[1]]
        state = lab.client.run(["ss", "-Htno"]).stdout.splitlines()
    assert [row["outcome"] for row in mine] == ["protected"] * 2, done
    assert len({row["netns"] for row in mine} - {"host"}) == 1
    assert sum("timer:(keepalive" in line for line in state) == 2


def test_unprivileged() -> None:
    """
    A user protects the connections of their own processes; the others fail, and the exit code
    says so. Without a connection of their own, the code is that for no permission.
    """
    with nat_lab(idle_timeout=TIMEOUT) as lab:
        roots = lab.connect()
        address = lab.server.listener().getsockname()
        as_user = AS_NOBODY[: -len(COMMAND)]
        nothing = protect(lab.client, CONFIG, "--apply", command=AS_NOBODY)
        argv = [*as_user, sys.executable, *HOLD, *map(str, address), "hold", "2"]
        holder = lab.client.start(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert holder.stdout is not None
        holder.stdout.readline()
        done = protect(lab.client, CONFIG, "--apply", command=AS_NOBODY)
        own = protect(lab.client, CONFIG, "--apply", f"--pid={holder.pid}", command=AS_NOBODY)
        assert not roots.client.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert nothing.code == 2
    assert "CAP_SYS_PTRACE" in nothing.log
    assert done.code == 1
    outcomes = {row["uid"]: row["outcome"] for row in done.document["connections"]}
    assert outcomes == {0: "failed", 65534: "protected"}
    assert own.code == 0


def watch_new_connections(lab: NatLab, number: int, over: float) -> None:
    """
    Open connections over some seconds, leave them idle for three timeouts, and use each.
    """
    with watching(lab.client, CONFIG) as watcher:
        connections: list[Connection] = []
        started = time.monotonic()
        while len(connections) < number:
            due = min(number, 1 + int((time.monotonic() - started) / over * number))
            connections += lab.connections(due - len(connections))
            time.sleep(0.1)
        time.sleep(IDLE)
        assert survive(connections).count(False) == 0
        assert watcher.end() == 0
        outcomes = [row["outcome"] for each in watcher.documents for row in each["connections"]]
    assert outcomes == ["protected"] * number


@pytest.mark.timing
def test_watch() -> None:
    """
    --watch protects connections that are opened later.
    """
    with nat_lab(idle_timeout=TIMEOUT) as lab:
        watch_new_connections(lab, 50, over=10)


@pytest.mark.timing
@pytest.mark.slow
@pytest.mark.timeout(400)
def test_watch_many() -> None:
    """
    The same with a thousand connections opened over two minutes.
    """
    with nat_lab(idle_timeout=TIMEOUT) as lab:
        watch_new_connections(lab, 1000, over=120)


def test_watch_notices_changes() -> None:
    """
    --watch protects a connection again if its application turns keepalive off or sets another time.
    SIGINT ends it.
    """
    with nat_lab(idle_timeout=4) as lab:
        off, longer = lab.connections(2)
        with watching(lab.client, config_with(4)) as watcher:
            off.client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 0)
            longer.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 600)
            time.sleep(4)
            assert off.client.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert longer.client.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 2
            settled = watcher.documents[-1]["settled"]
            assert watcher.end(signal.SIGINT) == 0
    assert settled == 0


def test_nothing_to_do() -> None:
    """
    Without a connection, the exit code is 0; --watch without --apply is wrong usage.
    """
    with Host() as host:
        done: Protected = protect(host, CONFIG, "--apply")
        assert (done.code, done.document["connections"]) == (0, [])
        wrong = protect(host, CONFIG, "--watch")
    assert (wrong.code, "--apply" in wrong.log) == (2, True)


def test_document_of_a_failure() -> None:
    """
    A path whose timeout is too short for keepalive is a problem with words.
    """
    with ExitStack() as stack:
        lab = stack.enter_context(nat_lab(idle_timeout=4))
        lab.connect()
        done = protect(lab.client, config_with(1), "--apply")
    assert done.code == 1
    assert list(done.document["problems"]) == ["timeout_too_short"]
    (workload,) = done.document["workloads"]
    assert workload["problems"] == {"timeout_too_short": 1}
    assert json.dumps(done.document)

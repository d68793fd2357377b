"""
`namespaces: all`: settings, connections and closures of every network namespace, while namespaces
are created and removed.
"""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.exporting import Exporter, Scrape, exporter_inside
from tests.e2e.node import Node, unnamed_namespaces
from tests.lab import LAB_MARKS, nat_lab

pytestmark = LAB_MARKS

OFTEN = "namespaces: all\nsampling: {interval: 100ms, max_duty_cycle: 0.5}\n"
SELDOM = "namespaces: all\nsampling: {interval: 10m}\n"
NAT = OFTEN + "paths: [{name: nat, direction: outbound, remote: public, idle_timeout: 4s}]\n"
TIME = "net.ipv4.tcp_keepalive_time"
DROPS = "idle_drops_total"
MEMORY = "process_resident_memory_bytes"
HERE = Path("/proc/thread-self/ns/net")
MANY = 300
MB = 1 << 20

JOINED = """
netns add one
netns add two
link add veth1 type veth peer name veth2
link set veth1 netns one
link set veth2 netns two
-n one addr add 198.51.100.1/24 dev veth1
-n two addr add 198.51.100.2/24 dev veth2
-n one link set veth1 up
-n two link set veth2 up
"""
LISTEN = """
import socket, time
server = socket.create_server(("198.51.100.1", 80))
held = [server.accept() for _ in range(10)]
time.sleep(100)
"""
CONNECT = """
import socket, time
while True:
    try:
        held = [socket.create_connection(("198.51.100.1", 80)) for _ in range(10)]
    except ConnectionRefusedError:
        time.sleep(0.1)
    else:
        time.sleep(100)
"""


@pytest.fixture
def node() -> Iterator[Node]:
    """
    A host without other namespaces, with a keepalive time of 120 s.
    """
    with Node() as node:
        node.sysctl(TIME, 120)
        yield node


def wait(exporter: Exporter, condition: Callable[[Scrape], bool], within: float = 60) -> Scrape:
    """
    Scrape until the condition is true; returns that scrape.
    """
    end = time.monotonic() + within
    while not condition(scrape := exporter.scrape()):
        assert time.monotonic() < end, (scrape.samples, exporter.log)
        time.sleep(0.1)
    return scrape


def times(scrape: Scrape) -> dict[str, float]:
    """
    The keepalive time of each namespace.
    """
    return {labels["netns"]: value for labels, value in scrape.samples["time_seconds"]}


def numbered(inodes: list[int]) -> list[str]:
    """
    The netns labels of unnamed namespaces.
    """
    return [f"net:[{inode}]" for inode in inodes]


def test_settings(node: Node) -> None:
    """
    Each namespace has its own settings, also after changes and in new namespaces: a container has
    the kernel's 7200 s regardless of the host's setting.
    """
    node.run(["ip", "netns", "add", "web"])
    with unnamed_namespaces(node) as namespaces, exporter_inside(node, OFTEN) as exporter:
        first = numbered(namespaces.make(2, time=50))
        expected = {"host": 120.0, "web": 7200, first[0]: 50, first[1]: 51}
        wait(exporter, lambda scrape: times(scrape) == expected)

        node.run(["ip", "netns", "exec", "web", "sysctl", f"{TIME}=300"])
        node.run(["ip", "netns", "add", "db"])
        namespaces.end(1)
        nested = numbered(namespaces.make(1, time=70))
        expected = {"host": 120.0, "web": 300, "db": 7200, first[1]: 51, nested[0]: 70}
        scrape = wait(exporter, lambda scrape: times(scrape) == expected)

        assert scrape.by("readable", "namespaces") == {"true": 5}
        assert scrape.by("netns", "path_protected", path="azure-outbound") == dict.fromkeys(
            ("host", first[1], nested[0]), 1
        )
        assert len(exporter.log) == 2, "only the profile and the listen address are logged"


def test_connections_and_closures(node: Node) -> None:
    """
    Idle connections of a container are at risk before they are dropped, and then one idle drop
    each.
    """
    with nat_lab(idle_timeout=5, on_timeout="reset") as lab, exporter_inside(node, NAT) as exporter:
        node.move_in(lab.client)
        name = f"net:[{lab.client.call(HERE.stat).st_ino}]"
        idle, busy = lab.connections(5), lab.connections(3)
        at_risk = {name: len(idle)}
        expired = time.monotonic() + 7
        was_at_risk = False
        while time.monotonic() < expired or not was_at_risk:
            assert all(connection.reaches_server() for connection in busy)
            was_at_risk |= exporter.scrape().by("netns", "at_risk_connections") == at_risk
            assert time.monotonic() < expired + 20, exporter.scrape().samples
            time.sleep(0.2)
        for connection in idle:
            connection.client.send(b"x")
            assert connection.client_error(within=5) == "ECONNRESET"
            connection.close()
        scrape = wait(exporter, lambda scrape: scrape.by("path", DROPS) == {"nat": len(idle)})
        assert scrape.by("reason", DROPS) == {"reset": len(idle)}
        wait(exporter, lambda scrape: scrape.total("connections", path="nat") == len(busy))
        drops = [line for line in exporter.log if "idle drop" in line]
    assert len(drops) == len(idle)
    assert all(f"netns={name} " in line for line in drops)


def test_both_ends_on_this_host(node: Node) -> None:
    """
    Connections between containers of one host cross no path, even with public addresses.
    """
    for command in JOINED.strip().splitlines():
        node.run(["ip", *command.split()])
    with exporter_inside(node, OFTEN) as exporter:
        for name, role in (("one", LISTEN), ("two", CONNECT)):
            node.start(["ip", "netns", "exec", name, sys.executable, "-c", role])
        scrape = wait(exporter, lambda scrape: scrape.total("connections", path="none") >= 20)
        assert scrape.by("path", "connections").keys() == {"none"}


def test_many(node: Node) -> None:
    """
    Three hundred namespaces: each has its setting, each connection is counted once, and no file
    remains open after their removal.
    """
    with unnamed_namespaces(node) as namespaces, exporter_inside(node, OFTEN) as exporter:
        files = exporter.scrape().total("process_open_fds")
        made = namespaces.make(MANY, time=1000, sockets=4)
        expected = {name: 1000.0 + number for number, name in enumerate(numbered(made))}
        expected |= {"host": 120.0}
        scrape = wait(exporter, lambda scrape: times(scrape) == expected)
        scrape = wait(exporter, lambda scrape: scrape.total("connections") >= 4 * MANY)
        # A scrape's own connection may be sampled too: both ends, or one if it opens meanwhile.
        assert 0 <= scrape.total("connections") - 4 * MANY <= 2
        assert scrape.total("connections") == scrape.total("sampled_sockets")
        assert scrape.by("readable", "namespaces") == {"true": MANY + 1}
        assert scrape.total("process_open_fds") >= files + MANY

        ended = scrape.total("closure_idle_seconds_count")
        namespaces.end(MANY)
        scrape = wait(exporter, lambda scrape: times(scrape) == {"host": 120.0})
        assert scrape.total("closure_idle_seconds_count") - ended >= 4 * MANY
        assert scrape.total("closure_events_lost_total") == 0
        assert scrape.total("connections") <= 2
        wait(exporter, lambda scrape: scrape.total("process_open_fds") <= files + 2)


def test_churn(node: Node) -> None:
    """
    Hundreds of namespaces that are created and removed during sampling leave no files or memory.
    """
    with unnamed_namespaces(node) as namespaces, exporter_inside(node, OFTEN) as exporter:
        before = None
        for turn in range(50):
            namespaces.make(10, sockets=2)
            namespaces.end(10)
            if turn == 10:
                before = exporter.scrape()
        assert before is not None
        wait(exporter, lambda scrape: times(scrape) == {"host": 120.0})
        after = wait(exporter, lambda scrape: scrape.total("process_open_fds") < 20)
        grown = after.total(MEMORY) - before.total(MEMORY)
        print(f"{grown / MB:.1f} MB more after 400 more namespaces")
        assert grown < 10 * MB
        assert after.by("readable", "namespaces") == {"true": 1}
        assert len(exporter.log) == 2, "only the profile and the listen address are logged"


def test_removed_namespaces_are_released(node: Node) -> None:
    """
    A namespace ends soon after the removal of its last process and its name, even if the next
    sample is far away. The removal of its veth device shows the end.
    """
    node.run(["ip", "netns", "add", "removed"])
    node.ip("link add here type veth peer name there")
    node.run(["ip", "link", "set", "there", "netns", "removed"])
    with unnamed_namespaces(node) as namespaces:
        namespaces.make(1)
        with exporter_inside(node, SELDOM) as exporter:
            files = exporter.scrape().total("process_open_fds")
            node.run(["ip", "netns", "delete", "removed"])
            namespaces.end(1)
            ended = time.monotonic()
            while node.run(["ip", "link", "show", "here"], check=False).returncode == 0:
                assert time.monotonic() - ended < 20
                time.sleep(0.05)
            print(f"released after {time.monotonic() - ended:.1f} s")
            wait(exporter, lambda scrape: scrape.total("process_open_fds") <= files - 2)

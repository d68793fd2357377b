"""
`namespaces: all`: the settings, connections and closures of every network namespace, whatever
comes and goes.
"""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.exporting import Exporter, Scrape, exporter_inside
from tests.e2e.node import Node, inhabitants
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
    A host with nothing in it, set to 120 s.
    """
    with Node() as node:
        node.sysctl(TIME, 120)
        yield node


def wait(exporter: Exporter, condition: Callable[[Scrape], bool], within: float = 20) -> Scrape:
    """
    The first scrape of which that is true.
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
    What namespaces without names are called.
    """
    return [f"net:[{inode}]" for inode in inodes]


def test_settings(node: Node) -> None:
    """
    Each namespace shows its own settings, as they change and as namespaces come and go: a container
    has the kernel's 7200 s, whatever the host is set to.
    """
    node.run(["ip", "netns", "add", "web"])
    with inhabitants(node) as people, exporter_inside(node, OFTEN) as exporter:
        first = numbered(people.make(2, time=50))
        expected = {"host": 120.0, "web": 7200, first[0]: 50, first[1]: 51}
        wait(exporter, lambda scrape: times(scrape) == expected)

        node.run(["ip", "netns", "exec", "web", "sysctl", f"{TIME}=300"])
        node.run(["ip", "netns", "add", "db"])
        people.end(1)
        nested = numbered(people.make(1, time=70))
        expected = {"host": 120.0, "web": 300, "db": 7200, first[1]: 51, nested[0]: 70}
        scrape = wait(exporter, lambda scrape: times(scrape) == expected)

        assert scrape.by("readable", "namespaces") == {"true": 5}
        assert scrape.by("netns", "path_protected", path="azure-outbound") == dict.fromkeys(
            ("host", first[1], nested[0]), 1
        )
        assert len(exporter.log) == 1, "there is nothing to say"


def test_connections_and_closures(node: Node) -> None:
    """
    What dies of idling in a container is seen there: at risk before, an idle drop after, each once.
    """
    with nat_lab(idle_timeout=5, on_timeout="reset") as lab, exporter_inside(node, NAT) as exporter:
        node.move_in(lab.client)
        name = f"net:[{lab.client.call(HERE.stat).st_ino}]"
        dying, living = lab.connections(5), lab.connections(3)
        at_risk = {name: len(dying)}
        forgotten = time.monotonic() + 7
        seen = False
        while time.monotonic() < forgotten or not seen:
            assert all(connection.reaches_server() for connection in living)
            seen |= exporter.scrape().by("netns", "at_risk_connections") == at_risk
            assert time.monotonic() < forgotten + 20, exporter.scrape().samples
            time.sleep(0.2)
        for connection in dying:
            connection.client.send(b"x")
            assert connection.client_error(within=5) == "ECONNRESET"
            connection.close()
        scrape = wait(exporter, lambda scrape: scrape.by("path", DROPS) == {"nat": len(dying)})
        assert scrape.by("reason", DROPS) == {"reset": len(dying)}
        wait(exporter, lambda scrape: scrape.total("connections", path="nat") == len(living))
        drops = [line for line in exporter.log if "idle drop" in line]
    assert len(drops) == len(dying)
    assert all(f"netns={name} " in line for line in drops)


def test_both_ends_on_this_host(node: Node) -> None:
    """
    Containers of one host reach each other without crossing a path, by public addresses too.
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
    Three hundred namespaces at once: each with its setting, each connection counted once, and no
    file left open when they have gone.
    """
    with inhabitants(node) as people, exporter_inside(node, OFTEN) as exporter:
        files = exporter.scrape().total("process_open_fds")
        made = people.make(MANY, time=1000, sockets=4)
        expected = {name: 1000.0 + number for number, name in enumerate(numbered(made))}
        expected |= {"host": 120.0}
        scrape = wait(exporter, lambda scrape: times(scrape) == expected, within=40)
        scrape = wait(exporter, lambda scrape: scrape.total("connections") >= 4 * MANY, within=40)
        # And the two ends of the connection that is scraping, as long as that takes.
        assert scrape.total("connections") - 4 * MANY in (0, 2)
        assert scrape.total("connections") == scrape.total("sampled_sockets")
        assert scrape.by("readable", "namespaces") == {"true": MANY + 1}
        assert scrape.total("process_open_fds") >= files + MANY

        ended = scrape.total("closure_idle_seconds_count")
        people.end(MANY)
        scrape = wait(exporter, lambda scrape: times(scrape) == {"host": 120.0}, within=40)
        assert scrape.total("closure_idle_seconds_count") - ended >= 4 * MANY
        assert scrape.total("closure_events_lost_total") == 0
        assert scrape.total("connections") in (0, 2)
        wait(exporter, lambda scrape: scrape.total("process_open_fds") <= files + 2)


def test_churn(node: Node) -> None:
    """
    Hundreds of namespaces that come and go while they are read leave nothing behind.
    """
    with inhabitants(node) as people, exporter_inside(node, OFTEN) as exporter:
        before = None
        for turn in range(50):
            people.make(10, sockets=2)
            people.end(10)
            if turn == 10:
                before = exporter.scrape()
        assert before is not None
        wait(exporter, lambda scrape: times(scrape) == {"host": 120.0})
        after = wait(exporter, lambda scrape: scrape.total("process_open_fds") < 20)
        grown = after.total(MEMORY) - before.total(MEMORY)
        print(f"{grown / MB:.1f} MB more after 400 more namespaces")
        assert grown < 10 * MB
        assert after.by("readable", "namespaces") == {"true": 1}
        assert len(exporter.log) == 1, "there is nothing to say"


def test_not_kept_alive(node: Node) -> None:
    """
    A namespace ends soon after it has lost its last process and its name, though the next sample be
    far away: one end of a veth pair takes the other one along.
    """
    node.run(["ip", "netns", "add", "gone"])
    node.ip("link add here type veth peer name there")
    node.run(["ip", "link", "set", "there", "netns", "gone"])
    with inhabitants(node) as people:
        people.make(1)
        with exporter_inside(node, SELDOM) as exporter:
            files = exporter.scrape().total("process_open_fds")
            node.run(["ip", "netns", "delete", "gone"])
            people.end(1)
            ended = time.monotonic()
            while node.run(["ip", "link", "show", "here"], check=False).returncode == 0:
                assert time.monotonic() - ended < 20
                time.sleep(0.05)
            print(f"kept for {time.monotonic() - ended:.1f} s")
            wait(exporter, lambda scrape: scrape.total("process_open_fds") <= files - 2)

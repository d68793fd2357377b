"""
Connections that are redirected on this host to one of its own servers: by the proxy of a service
mesh, or because a service's address is served here. They cross no path.
"""

import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
import yaml

from exporter.collectors.state import State
from exporter.config.schema import Config
from exporter.connections.listing import ConnectionLister
from exporter.connections.query import Query
from exporter.model import Risk
from tests.e2e.exporting import Scrape, exporter_inside
from tests.e2e.node import Node
from tests.lab import LAB_MARKS, Host, pair
from tests.lab.traffic import abort

pytestmark = LAB_MARKS

CONFIG = """
profile: none
sampling: {interval: 500ms, max_duty_cycle: 1}
paths: [{name: internet, direction: any, remote: any, idle_timeout: 2s}]
"""
LISTED = Config.model_validate(yaml.safe_load(CONFIG))
ALL = Query(everything=True)
PORT, PROXY_PORT = 443, 15001
REDIRECT = f"""
table inet mesh {{
  chain output {{
    type nat hook output priority -100
    tcp dport {PORT} meta skuid != 1000 redirect to :{PROXY_PORT}
  }}
}}
"""
# As in cilium and linkerd: the packets that leave are marked, routed to this host, and taken there.
TPROXY = f"""
table inet mesh {{
  chain output {{
    type route hook output priority -150
    tcp dport {PORT} meta mark set 1
  }}
  chain prerouting {{
    type filter hook prerouting priority -150
    meta nfproto ipv4 meta mark 1 tcp dport {PORT} tproxy ip to 127.0.0.1:{PROXY_PORT} accept
    meta nfproto ipv6 meta mark 1 tcp dport {PORT} tproxy ip6 to [::1]:{PROXY_PORT} accept
  }}
}}
"""
TPROXY_ROUTES = ("rule add fwmark 1 lookup 100", "route add local default dev lo table 100")
FAMILIES = (socket.AF_INET, socket.AF_INET6)


def redirect(host: Host) -> None:
    """
    A proxy takes connections as Istio's does.
    """
    host.run(["nft", "-f", "-"], input=REDIRECT)


def tproxy(host: Host) -> None:
    """
    A proxy takes connections without changing their addresses.
    """
    for version in ("-4", "-6"):
        for command in TPROXY_ROUTES:
            host.run(["ip", version, *command.split()])
    host.run(["nft", "-f", "-"], input=TPROXY)


def proxy_listener(host: Host, family: int) -> socket.socket:
    """
    The proxy's listening socket, at all addresses, also those of other hosts.
    """
    listener = host.socket(family)
    listener.setsockopt(socket.SOL_IP, socket.IP_TRANSPARENT, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", PROXY_PORT))
    listener.listen()
    return listener


@pytest.mark.parametrize("family", FAMILIES, ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("take", [redirect, tproxy])
def test_proxy(take: Callable[[Host], None], family: int) -> None:
    """
    Connections that a local proxy takes cross no path, with the exporter started before or after
    them; the proxy's own connections do. None of it changes after the proxy's end, or in closures.
    """
    with pair() as lab, ExitStack() as stack:
        take(lab.client)
        proxy = stack.enter_context(proxy_listener(lab.client, family))
        upstream = lab.server.listener(family)

        def opened() -> tuple[socket.socket, socket.socket]:
            client = lab.client.connect(lab.server.address_of(family), PORT)
            return client, lab.client.adopt(proxy.accept()[0])

        before = [opened() for _ in range(3)]
        lab.client.adopt(lab.client.connect(*upstream.getsockname()[:2]))
        with exporter_inside(lab.client, CONFIG) as exporter:
            assert crossing(exporter.scrape()) == 1
            after = [opened() for _ in range(2)]
            time.sleep(1)
            scrape = exporter.scrape()
            assert crossing(scrape) == 1
            assert scrape.total("connections", path="none") >= 10
            listing = lab.client.call(ConnectionLister().list_connections, ALL, LISTED, State())
            assert listing.by_risk[Risk.NO_PATH] >= 10

            # Resets by the proxy after the limit are no idle drops: no path was crossed.
            time.sleep(2)
            for _, server in before + after:
                abort(server)
            time.sleep(1)
            for client, _ in before + after:
                client.close()
            time.sleep(1)
            scrape = exporter.scrape()
            assert crossing(scrape, "closure_idle_seconds_count") == 0
            assert scrape.total("closure_idle_seconds_count", path="none", reason="reset") == 5
            assert scrape.total("idle_drops_total") == 0


def test_port_used_twice() -> None:
    """
    A connection that leaves the host still counts if the same local port also has a connection to
    one of the host's own servers.
    """
    with pair() as lab:
        local = lab.client.listener()
        remote = lab.server.listener()
        one = lab.client.connect(*local.getsockname())
        lab.client.adopt(local.accept()[0])
        two = lab.client.socket()
        two.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        two.bind(one.getsockname())
        two.connect(remote.getsockname())
        with exporter_inside(lab.client, CONFIG) as exporter:
            assert crossing(exporter.scrape()) == 1


CONTAINERS = """
netns add one
netns add two
link add to-one type veth peer name eth0 netns one
link add to-two type veth peer name eth0 netns two
addr add 10.1.1.1/24 dev to-one
addr add 10.1.2.1/24 dev to-two
link set to-one up
link set to-two up
-n one addr add 10.1.1.2/24 dev eth0
-n two addr add 10.1.2.2/24 dev eth0
-n one link set eth0 up
-n two link set eth0 up
-n one route add default via 10.1.1.1
-n two route add default via 10.1.2.1
"""
SERVICE = """
table ip services {
  chain prerouting {
    type nat hook prerouting priority dstnat
    ip daddr 198.51.100.1 tcp dport 443 dnat to 10.1.2.2:8443
  }
}
"""
SERVE = """
import socket, time
server = socket.create_server(("10.1.2.2", 8443))
print("listening", flush=True)
held = [server.accept() for _ in range(5)]
time.sleep(100)
"""
USE = """
import socket, time
held = [socket.create_connection(("198.51.100.1", 443)) for _ in range(5)]
print("connected", flush=True)
time.sleep(100)
"""


@pytest.fixture
def node() -> Iterator[Node]:
    """
    A host of containers.
    """
    with Node() as node:
        yield node


def test_service(node: Node) -> None:
    """
    Connections to a service's public address cross no path if a container of this host serves it.
    """
    for command in CONTAINERS.strip().splitlines():
        node.run(["ip", *command.split()])
    node.sysctl("net.ipv4.ip_forward", 1)
    node.run(["nft", "-f", "-"], input=SERVICE)
    with (
        started(node, "two", SERVE),
        started(node, "one", USE),
        exporter_inside(node, CONFIG + "namespaces: all") as exporter,
    ):
        scrape = exporter.scrape()
        assert crossing(scrape) == 0
        assert scrape.total("connections") >= 10


@contextmanager
def started(node: Node, namespace: str, role: str) -> Iterator[None]:
    """
    Run a script in a container; starts when it has printed a line.
    """
    argv = ["ip", "netns", "exec", namespace, sys.executable, "-c", role]
    with node.start(argv, stdout=-1) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield
        process.kill()


def crossing(scrape: Scrape, name: str = "connections") -> float:
    """
    The connections or closures on the path.
    """
    return scrape.total(name, path="internet")

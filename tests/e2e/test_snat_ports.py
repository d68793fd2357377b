"""
Connections to the busiest destination of a path with SNAT ports, and the listing by destination,
compared with the connections really made.
"""

import socket
import time
from collections.abc import Sequence

import yaml

from exporter.collectors.state import State
from exporter.config.schema import Config
from exporter.connections.listing import ConnectionLister
from exporter.connections.query import Query, Remote
from tests.e2e.exporting import Exporter, exporter_inside
from tests.e2e.node import Node
from tests.lab import LAB_MARKS, Host, nat_labs, pair
from tests.lab.requirements import needs_files

pytestmark = LAB_MARKS

MANY = 3_000
FIRST_PORT = 20_000
OTHER_ADDRESS = "203.0.113.11"
BUSIEST = "path_busiest_destination_connections"
SAMPLING = "profile: none\nsampling: {interval: 500ms, max_duty_cycle: 1}\n"
CONFIG = f"""{SAMPLING}
paths:
- {{name: one, remote: 203.0.113.10, idle_timeout: 1h, snat_ports: 1024}}
- {{name: many, remote: {OTHER_ADDRESS}, idle_timeout: 1h, snat_ports: 64}}
- {{name: firewall, remote: any, idle_timeout: 60s, also: true}}
- {{name: unused, remote: 198.51.100.0/24, idle_timeout: 1h, snat_ports: 64}}
"""
LISTED = Config.model_validate(yaml.safe_load(CONFIG))
TO_SERVER = Query(everything=True, remote=Remote("public"), limit=2)
ALL_NAMESPACES = f"""{SAMPLING}namespaces: all
paths: [{{name: nat, remote: public, idle_timeout: 1h, snat_ports: 1024}}]
"""
# So that one listener has many ports.
REDIRECT = """
table ip lab {{
  chain prerouting {{
    type nat hook prerouting priority -100
    tcp dport {first}-{last} redirect to :{port}
  }}
}}
"""


def connect(
    client: Host, server: Host, listener: socket.socket, destinations: Sequence[tuple[str, int]]
) -> list[socket.socket]:
    """
    Connect to each destination, which leads to the listener; returns the client's sockets.
    """
    made = client.sockets(len(destinations))
    for connection, destination in zip(made, destinations, strict=True):
        connection.settimeout(5)
        connection.connect(destination)
        server.adopt(listener.accept()[0])
    return made


def busiest(exporter: Exporter) -> dict[str, float]:
    """
    The metric by path, after a sample that began later than now.
    """
    now = time.time()
    end = now + 20
    while (scrape := exporter.scrape()).total("sample_timestamp_seconds") <= now:
        assert time.time() < end, exporter.log
        time.sleep(0.1)
    return {labels["path"]: value for labels, value in scrape.samples[BUSIEST]}


def test_one_and_many_destinations() -> None:
    """
    Connections to one destination are counted together, those to as many destinations one by one,
    although another path decides their timeout. The count follows connections that end.
    """
    needs_files(4 * MANY)
    with pair() as lab:
        lab.server.ip(f"addr add {OTHER_ADDRESS}/24 dev eth0")
        listener = lab.server.socket()
        listener.bind(("0.0.0.0", 0))
        listener.listen(1024)
        port = listener.getsockname()[1]
        last = FIRST_PORT + MANY - 1
        rules = REDIRECT.format(first=FIRST_PORT, last=last, port=port)
        lab.server.run(["nft", "-f", "-"], input=rules)
        one = [(lab.server.address, port)] * MANY
        many = [(OTHER_ADDRESS, number) for number in range(FIRST_PORT, last + 1)]
        with exporter_inside(lab.client, CONFIG) as exporter:
            assert busiest(exporter) == {"one": 0, "many": 0, "unused": 0}
            made = connect(lab.client, lab.server, listener, one)
            connect(lab.client, lab.server, listener, many)
            assert busiest(exporter) == {"one": MANY, "many": 1, "unused": 0}
            assert exporter.scrape().by("path", "connections") == {"firewall": 2 * MANY}
            read = ConnectionLister().list_destinations
            listing = lab.client.call(read, TO_SERVER, LISTED, State())
            assert (listing.matching, listing.number) == (2 * MANY, 1 + MANY)
            first, second = listing.destinations
            assert (first.remote, first.remote_port, first.connections) == (*one[0], MANY)
            assert (second.remote, second.connections) == (OTHER_ADDRESS, 1)
            for connection in made[: MANY // 3]:
                connection.close()
            assert busiest(exporter) == {"one": MANY - MANY // 3, "many": 1, "unused": 0}


def test_namespaces_share_a_destination() -> None:
    """
    Connections of several network namespaces to one destination are counted together.
    """
    numbers = (30, 50)
    with (
        Node() as node,
        nat_labs("one", "two", idle_timeout=60) as labs,
    ):
        server = labs[0].server
        listener = server.listener()
        for lab, number in zip(labs, numbers, strict=True):
            node.move_in(lab.client)
            connect(lab.client, server, listener, [listener.getsockname()] * number)
        with exporter_inside(node, ALL_NAMESPACES) as exporter:
            assert busiest(exporter) == {"nat": sum(numbers)}

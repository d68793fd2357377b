"""
The scenarios: what happens to connections behind a NAT.

The result depends on whether the NAT drops segments of expired connections silently (drop) or
answers with a reset.
"""

import errno
import socket
from time import sleep

from tests.e2e.scenario_endpoint import ScenarioEndpoint, keep_busy
from tests.e2e.scenario_registry import (
    ABORT,
    KEEPALIVE_TIMEOUT,
    PEER_RESET,
    RESET,
    SCENARIOS,
    Endings,
    ExpectedClosure,
    scenario,
)
from tests.lab import Connection, Keepalive
from tests.lab.traffic import abort

__all__ = ["IDLE", "SCENARIOS", "SYSCTLS", "TOO_LATE"]

IDLE = 7.0
"""Idle time in seconds after which the mapping has expired."""
NEAR_LIMIT = 4.4
"""Idle time in seconds close to the NAT's timeout, with the mapping still present."""
IN_TIME = Keepalive(time=2, interval=1, probes=3)
TOO_LATE = Keepalive(time=7, interval=1, probes=3)
SYSCTLS = {
    "tcp_retries2": 3,  # unanswered data ends a connection after 6.4 s
    "tcp_orphan_retries": 2,  # ... and after 3.2 s if the application has closed it
    "tcp_syn_retries": 1,  # connecting times out after 3 s
}
"""Of the clients, below net.ipv4. With the kernel's defaults it would take a quarter of an hour."""


@scenario("no keepalive, then a write")
def write(endpoint: ScenarioEndpoint) -> Endings:
    """
    A pool hands out a connection that has been idle for too long.
    """
    connection = endpoint.connect()
    sleep(IDLE)
    spell = connection.write()
    connection.wait_for_end()
    connection.close()
    return Endings(lost=[spell])


@scenario("no keepalive, then only a reader")
def only_a_reader(endpoint: ScenarioEndpoint) -> Endings:
    """
    A subscriber only reads. It never learns that its connection was dropped.
    """
    connection = endpoint.connect()
    sleep(IDLE)
    connection.server.send(b"news")
    return Endings(undetected=1)


@scenario("keepalive in time")
def keepalive_in_time(endpoint: ScenarioEndpoint) -> Endings:
    """
    Probes refresh the mapping.
    """
    connection = endpoint.connect(keepalive=IN_TIME)
    sleep(IDLE)
    connection.exchange()
    sleep(1)
    return Endings(closed=[connection.close()])


@scenario("keepalive too late", drop=KEEPALIVE_TIMEOUT)
def keepalive_too_late(endpoint: ScenarioEndpoint) -> Endings:
    """
    The mapping has expired before the first probe.
    """
    connection = endpoint.connect(keepalive=TOO_LATE)
    spell = connection.wait_for_end() - endpoint.seconds_of_silence(3)
    connection.close()
    return Endings(lost=[spell])


@scenario("peer's keepalive only")
def peers_keepalive(endpoint: ScenarioEndpoint) -> Endings:
    """
    The server's probes refresh the mapping for both ends.
    """
    connection = endpoint.connect(peers_keepalive=IN_TIME)
    sleep(IDLE)
    connection.exchange()
    sleep(1)
    return Endings(closed=[connection.close()])


@scenario("peer's keepalive too late")
def peers_keepalive_too_late(endpoint: ScenarioEndpoint) -> Endings:
    """
    The mapping has expired before the server's probes. The server times out, the client writes.
    """
    connection = endpoint.connect(peers_keepalive=TOO_LATE)
    sleep(IDLE + 2)
    spell = connection.write()
    connection.wait_for_end()
    connection.close()
    return Endings(lost=[spell])


@scenario("application closes the dead connection", drop=ExpectedClosure("retransmit_timeout"))
def closes(endpoint: ScenarioEndpoint) -> Endings:
    """
    A pool closes a connection whose mapping has expired. The FIN is not answered.
    """
    connection = endpoint.connect()
    sleep(IDLE)
    return Endings(lost=[connection.close()])


@scenario("application aborts the dead connection", drop=ABORT, reset=ABORT)
def aborts(endpoint: ScenarioEndpoint) -> Endings:
    """
    The same with SO_LINGER 0: the client sends a reset. Nothing shows that the connection was dead.
    """
    connection = endpoint.connect()
    sleep(IDLE)
    spell = connection.idle()
    abort(connection.client)
    return Endings(lost=[spell])


@scenario("application closes with unread data", drop=ABORT, reset=ABORT)
def closes_with_unread_data(endpoint: ScenarioEndpoint) -> Endings:
    """
    A server sends something after the answer, such as a notice, which a pool never reads.
    """
    connection = endpoint.connect()
    connection.server.send(b"notice")
    sleep(NEAR_LIMIT)
    spell = connection.idle()
    connection.close()
    return Endings(lost=[spell])


@scenario("application aborts while data is unanswered")
def aborts_while_waiting(endpoint: ScenarioEndpoint) -> Endings:
    """
    A proxy gives up waiting for an answer, and resets the connection.
    """
    connection = endpoint.connect()
    sleep(IDLE)
    spell = connection.write()
    sleep(endpoint.seconds_of_silence(2))
    connection.wait_for_end() if endpoint.on_timeout == "reset" else abort(connection.client)
    connection.close()
    return Endings(lost=[spell])


@scenario("half-closed, keepalive too late", drop=ExpectedClosure("keepalive_timeout"))
def half_closed(endpoint: ScenarioEndpoint) -> Endings:
    """
    The client has sent its request and FIN, and waits for the answer until the mapping has expired.
    """
    connection = endpoint.connect(keepalive=TOO_LATE)
    sleep(1)
    connection.client.shutdown(socket.SHUT_WR)
    closed = connection.idle()
    spell = connection.wait_for_end() - closed - endpoint.seconds_of_silence(3)
    connection.close()
    return Endings(lost=[spell])


@scenario("application gives up waiting")
def gives_up_waiting(endpoint: ScenarioEndpoint) -> Endings:
    """
    A request is sent, and the connection is closed when no answer arrives in time.
    """
    connection = endpoint.connect()
    sleep(IDLE)
    spell = connection.write()
    sleep(endpoint.seconds_of_silence(2))
    connection.close()
    return Endings(lost=[spell])


@scenario("application closes 8 s late, after a write")
def closes_late_after_write(endpoint: ScenarioEndpoint) -> Endings:
    """
    The application keeps a socket long after its connection has timed out.
    """
    connection = endpoint.connect()
    sleep(IDLE)
    spell = connection.write()
    connection.wait_for_end()
    sleep(8)
    connection.close()
    return Endings(lost=[spell])


@scenario("application closes 8 s late, after probes", drop=KEEPALIVE_TIMEOUT)
def closes_late_after_probes(endpoint: ScenarioEndpoint) -> Endings:
    """
    The same after a keepalive timeout.
    """
    connection = endpoint.connect(keepalive=TOO_LATE)
    spell = connection.wait_for_end() - endpoint.seconds_of_silence(3)
    sleep(8)
    connection.close()
    return Endings(lost=[spell])


@scenario("TCP_USER_TIMEOUT, then a write")
def user_timeout_write(endpoint: ScenarioEndpoint) -> Endings:
    """
    With unanswered data, the connection times out sooner.
    """
    connection = endpoint.connect()
    connection.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 2000)
    sleep(IDLE)
    spell = connection.write()
    connection.wait_for_end()
    connection.close()
    return Endings(lost=[spell])


@scenario("TCP_USER_TIMEOUT and keepalive too late", drop=KEEPALIVE_TIMEOUT)
def user_timeout_probes(endpoint: ScenarioEndpoint) -> Endings:
    """
    The connection times out when the second probe is due.
    """
    connection = endpoint.connect(keepalive=Keepalive(time=7, interval=3, probes=3))
    connection.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 2000)
    spell = connection.wait_for_end() - endpoint.seconds_of_silence(3)
    connection.close()
    return Endings(lost=[spell])


@scenario("half die while the others stay busy")
def half_die(endpoint: ScenarioEndpoint) -> Endings:
    """
    Of 200 connections, 100 are idle for too long.
    """
    idle, busy = endpoint.connections(100), endpoint.connections(100)
    keep_busy(busy, IDLE)
    spells = [connection.write() for connection in idle]
    keep_busy(busy, 4)
    for connection in idle:
        connection.wait_for_end()
        connection.close()
    return Endings(lost=spells, closed=[connection.close() for connection in busy])


@scenario(
    "server crashes",
    drop=ExpectedClosure("reset", idle_drop=False),
    reset=ExpectedClosure("reset", idle_drop=False),
)
def server_crashes(endpoint: ScenarioEndpoint) -> Endings:
    """
    A reset from the server after a short idle time is not an idle drop.
    """
    connection = endpoint.connect()
    sleep(2)
    spell = connection.idle()
    abort(connection.server)
    connection.wait_for_end()
    connection.close()
    return Endings(lost=[spell])


@scenario("server closes, application closes 7 s late")
def server_closes(endpoint: ScenarioEndpoint) -> Endings:
    """
    A pool closes long after the server has closed. That is a normal closure.
    """
    connection = endpoint.connect()
    connection.server.close()
    sleep(IDLE)
    return Endings(closed=[connection.close()])


@scenario("server closes, application aborts 7 s late")
def server_closes_then_abort(endpoint: ScenarioEndpoint) -> Endings:
    """
    The same if the pool ends the connection with a reset.
    """
    connection = endpoint.connect()
    connection.server.close()
    sleep(IDLE)
    spell = connection.idle()
    abort(connection.client)
    return Endings(closed=[spell])


@scenario("server closes, application writes 7 s late")
def server_closes_then_write(endpoint: ScenarioEndpoint) -> Endings:
    """
    The same if the pool uses the connection again.
    """
    connection = endpoint.connect()
    connection.server.close()
    sleep(IDLE)
    connection.write()
    connection.close()
    return Endings(closed=[0.0])


@scenario("server says goodbye and closes, nobody reads")
def server_closes_with_notice(endpoint: ScenarioEndpoint) -> Endings:
    """
    The same with unread data, such as TLS' close_notify.
    """
    connection = endpoint.connect()
    connection.server.send(b"goodbye")
    connection.server.close()
    sleep(IDLE)
    return Endings(closed=[connection.close()])


@scenario("server crashes, application closes 8 s late", drop=PEER_RESET, reset=PEER_RESET)
def server_crashes_unnoticed(endpoint: ScenarioEndpoint) -> Endings:
    """
    The same if the application closes the socket long after the reset.
    """
    connection = endpoint.connect()
    sleep(2)
    spell = connection.idle()
    abort(connection.server)
    connection.wait_for_end()
    sleep(8)
    connection.close()
    return Endings(lost=[spell])


@scenario("server crashes near the limit", drop=RESET)
def server_crashes_late(endpoint: ScenarioEndpoint) -> Endings:
    """
    A server's reset cannot be distinguished from a NAT's. After a long idle time it is an idle
    drop.
    """
    connection = endpoint.connect()
    sleep(NEAR_LIMIT)
    spell = connection.idle()
    abort(connection.server)
    connection.wait_for_end()
    connection.close()
    return Endings(lost=[spell])


@scenario("connect to nowhere")
def connect_to_nowhere(endpoint: ScenarioEndpoint) -> Endings:
    """
    Attempts that are refused, at the first or second SYN, or never answered are not closures.
    """
    with endpoint.listener() as listener:
        target = listener.getsockname()
    refused, refused_late, unanswered = endpoint.lab.client.sockets(3, endpoint.family)
    assert refused.connect_ex(target) == errno.ECONNREFUSED
    refused_late.setblocking(False)
    with endpoint.wall():
        assert refused_late.connect_ex(target) == errno.EINPROGRESS
        sleep(0.5)
    assert Connection(refused_late, refused_late).client_error(within=5) == "ECONNREFUSED"
    with endpoint.wall():
        assert unanswered.connect_ex(target) == errno.ETIMEDOUT
    for sock in (refused, refused_late, unanswered):
        sock.close()
    return Endings()


@scenario("graceful closes at every age")
def graceful_closes(endpoint: ScenarioEndpoint) -> Endings:
    """
    Closes in order are not drops, whichever end closes first, even near the limit.
    """
    spells = []
    ages = (0.0, 0.3, 1.0, 2.0, 3.0, 4.0, 4.5)
    connections = [(age, endpoint.connect(), endpoint.connect()) for age in ages]
    for age, closed_here, closed_there in connections:
        sleep(max(0.0, age - closed_there.idle()))
        spells += [closed_here.close(), closed_there.idle()]
        closed_there.server.close()
        closed_there.client.recv(1)
        closed_there.close()
        closed_here.server.close()
    return Endings(closed=spells)


@scenario("a burst of closes")
def burst(endpoint: ScenarioEndpoint) -> Endings:
    """
    Five hundred closes at once.
    """
    connections = endpoint.connections(500)
    sleep(2)
    return Endings(closed=[connection.close() for connection in connections])


@scenario("plain packet loss without idling", phase=2)
def packet_loss(endpoint: ScenarioEndpoint) -> Endings:
    """
    Busy connections with 10 % packet loss are slow, but not stalled.
    """
    endpoint.lab.client.sysctl("net.ipv4.tcp_retries2", 15)
    connections = endpoint.connections(20)
    endpoint.lab.nat.lose(10)
    keep_busy(connections, 8)
    endpoint.lab.nat.heal()
    for connection in connections:
        connection.exchange()
    endpoint.lab.client.sysctl("net.ipv4.tcp_retries2", SYSCTLS["tcp_retries2"])
    return Endings(closed=[connection.close() for connection in connections])


@scenario(
    "NAT restarted",
    drop=ExpectedClosure("retransmit_timeout", idle_drop=False),
    reset=PEER_RESET,
    phase=3,
)
def nat_restarted(endpoint: ScenarioEndpoint) -> Endings:
    """
    All mappings of busy connections are removed at once. The connections are lost, but not as idle
    drops.
    """
    connections = endpoint.connections(20)
    keep_busy(connections, 2)
    endpoint.lab.nat.flush()
    spells = [connection.write() for connection in connections]
    for connection in connections:
        connection.wait_for_end()
        connection.close()
    return Endings(lost=spells)

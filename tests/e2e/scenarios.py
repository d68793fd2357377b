"""
What becomes of connections, as stories. Each is told once; how it ends depends on whether the NAT
is silent about what it has forgotten (drop) or answers with a reset.
"""

import errno
import socket
from time import sleep

from tests.e2e.fates import CRASH, PROBES_IN_VAIN, RESET, SCENARIOS, Ends, Fate, scenario
from tests.e2e.scenario_endpoint import Stage, chat
from tests.lab import Connection, Keepalive
from tests.lab.traffic import abort

__all__ = ["IDLE", "SCENARIOS", "SYSCTLS", "TOO_LATE"]

IDLE = 7.0
"""Seconds after which the NAT has forgotten."""
NEAR_LIMIT = 4.4
"""Seconds after which the NAT still remembers, but will not for long."""
IN_TIME = Keepalive(time=2, interval=1, probes=3)
TOO_LATE = Keepalive(time=7, interval=1, probes=3)
SYSCTLS = {
    "tcp_retries2": 3,  # unanswered data ends a connection after 6.4 s
    "tcp_orphan_retries": 2,  # ... and after 3.2 s if its application has let go of it
    "tcp_syn_retries": 1,  # connecting is given up after 3 s
}
"""The clients', under net.ipv4: the kernel's defaults take a quarter of an hour."""


@scenario("no keepalive, then a write")
def write(stage: Stage) -> Ends:
    """
    A pool hands out a connection that has been idle for too long.
    """
    talk = stage.connect()
    sleep(IDLE)
    spell = talk.write()
    talk.wait_for_end()
    talk.close()
    return Ends(died=[spell])


@scenario("no keepalive, then only a reader")
def only_a_reader(stage: Stage) -> Ends:
    """
    A subscriber waits for what the server sends in vain: nothing ever tells it.
    """
    talk = stage.connect()
    sleep(IDLE)
    talk.server.send(b"news")
    return Ends(unaware=1)


@scenario("keepalive in time")
def keepalive_in_time(stage: Stage) -> Ends:
    """
    Probes keep the mapping.
    """
    talk = stage.connect(keepalive=IN_TIME)
    sleep(IDLE)
    talk.exchange()
    sleep(1)
    return Ends(closed=[talk.close()])


@scenario("keepalive too late", drop=PROBES_IN_VAIN)
def keepalive_too_late(stage: Stage) -> Ends:
    """
    The first probe already finds the mapping gone.
    """
    talk = stage.connect(keepalive=TOO_LATE)
    spell = talk.wait_for_end() - stage.seconds_of_silence(3)
    talk.close()
    return Ends(died=[spell])


@scenario("peer's keepalive only")
def peers_keepalive(stage: Stage) -> Ends:
    """
    The server's probes keep the mapping for both.
    """
    talk = stage.connect(peers_keepalive=IN_TIME)
    sleep(IDLE)
    talk.exchange()
    sleep(1)
    return Ends(closed=[talk.close()])


@scenario("peer's keepalive too late")
def peers_keepalive_too_late(stage: Stage) -> Ends:
    """
    The server's probes find the mapping gone: it gives up, and the client learns by a write.
    """
    talk = stage.connect(peers_keepalive=TOO_LATE)
    sleep(IDLE + 2)
    spell = talk.write()
    talk.wait_for_end()
    talk.close()
    return Ends(died=[spell])


@scenario("application closes the dead connection", drop=Fate("retransmit_timeout"))
def closes(stage: Stage) -> Ends:
    """
    A pool evicts what the NAT has forgotten; nobody answers the FIN.
    """
    talk = stage.connect()
    sleep(IDLE)
    return Ends(died=[talk.close()])


@scenario("application aborts the dead connection", drop=RESET)
def aborts(stage: Stage) -> Ends:
    """
    The same with SO_LINGER 0: the client resets the connection itself.
    """
    talk = stage.connect()
    sleep(IDLE)
    spell = talk.idle()
    abort(talk.client)
    return Ends(died=[spell])


@scenario("application gives up waiting")
def gives_up_waiting(stage: Stage) -> Ends:
    """
    A request is written, and the connection closed when its answer does not come in time.
    """
    talk = stage.connect()
    sleep(IDLE)
    spell = talk.write()
    sleep(stage.seconds_of_silence(2))
    talk.close()
    return Ends(died=[spell])


@scenario("application closes 8 s late, after a write")
def closes_late_after_write(stage: Stage) -> Ends:
    """
    The application sits on a socket long after the kernel has given it up.
    """
    talk = stage.connect()
    sleep(IDLE)
    spell = talk.write()
    talk.wait_for_end()
    sleep(8)
    talk.close()
    return Ends(died=[spell])


@scenario("application closes 8 s late, after probes", drop=PROBES_IN_VAIN)
def closes_late_after_probes(stage: Stage) -> Ends:
    """
    The same where the kernel found out by itself.
    """
    talk = stage.connect(keepalive=TOO_LATE)
    spell = talk.wait_for_end() - stage.seconds_of_silence(3)
    sleep(8)
    talk.close()
    return Ends(died=[spell])


@scenario("TCP_USER_TIMEOUT, then a write")
def user_timeout_write(stage: Stage) -> Ends:
    """
    Unanswered data ends the connection sooner.
    """
    talk = stage.connect()
    talk.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 2000)
    sleep(IDLE)
    spell = talk.write()
    talk.wait_for_end()
    talk.close()
    return Ends(died=[spell])


@scenario("TCP_USER_TIMEOUT and keepalive too late", drop=PROBES_IN_VAIN)
def user_timeout_probes(stage: Stage) -> Ends:
    """
    It ends the connection with the second probe that is due.
    """
    talk = stage.connect(keepalive=TOO_LATE)
    talk.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 2000)
    spell = talk.wait_for_end() - stage.seconds_of_silence(1)
    talk.close()
    return Ends(died=[spell])


@scenario("half die while the others stay busy")
def half_die(stage: Stage) -> Ends:
    """
    Of 200 connections, 100 are idle for too long.
    """
    idle, busy = stage.connections(100), stage.connections(100)
    chat(busy, IDLE)
    spells = [talk.write() for talk in idle]
    chat(busy, 4)
    for talk in idle:
        talk.wait_for_end()
        talk.close()
    return Ends(died=spells, closed=[talk.close() for talk in busy])


@scenario(
    "server crashes", drop=Fate("reset", idle_drop=False), reset=Fate("reset", idle_drop=False)
)
def server_crashes(stage: Stage) -> Ends:
    """
    A reset from the server itself, after a short idle spell, is no idle drop.
    """
    talk = stage.connect()
    sleep(2)
    spell = talk.idle()
    abort(talk.server)
    talk.wait_for_end()
    talk.close()
    return Ends(died=[spell])


@scenario("server closes, application closes 7 s late")
def server_closes(stage: Stage) -> Ends:
    """
    A pool notices late that the server has closed: the end is in order all the same.
    """
    talk = stage.connect()
    talk.server.close()
    sleep(IDLE)
    return Ends(closed=[talk.close()])


@scenario("server crashes, application closes 8 s late", drop=CRASH, reset=CRASH)
def server_crashes_unnoticed(stage: Stage) -> Ends:
    """
    Nor is it one when nobody looks at the socket for long after the reset.
    """
    talk = stage.connect()
    sleep(2)
    spell = talk.idle()
    abort(talk.server)
    talk.wait_for_end()
    sleep(8)
    talk.close()
    return Ends(died=[spell])


@scenario("server crashes near the limit", drop=RESET)
def server_crashes_late(stage: Stage) -> Ends:
    """
    Nothing tells the server's own reset from a NAT's: after a long idle spell it counts as one.
    """
    talk = stage.connect()
    sleep(NEAR_LIMIT)
    spell = talk.idle()
    abort(talk.server)
    talk.wait_for_end()
    talk.close()
    return Ends(died=[spell])


@scenario("connect to nowhere")
def connect_to_nowhere(stage: Stage) -> Ends:
    """
    What is refused, at once or at the second SYN, or is never answered, was no connection.
    """
    with stage.listener() as listener:
        target = listener.getsockname()
    refused, refused_late, unanswered = stage.lab.client.sockets(3, stage.family)
    assert refused.connect_ex(target) == errno.ECONNREFUSED
    refused_late.setblocking(False)
    with stage.wall():
        assert refused_late.connect_ex(target) == errno.EINPROGRESS
        sleep(0.5)
    assert Connection(refused_late, refused_late).client_error(within=5) == "ECONNREFUSED"
    with stage.wall():
        assert unanswered.connect_ex(target) == errno.ETIMEDOUT
    for sock in (refused, refused_late, unanswered):
        sock.close()
    return Ends()


@scenario("graceful closes at every age")
def graceful_closes(stage: Stage) -> Ends:
    """
    Orderly ends are no drops, whoever is first to close, near the limit too.
    """
    spells = []
    ages = (0.0, 0.3, 1.0, 2.0, 3.0, 4.0, 4.5)
    talks = [(age, stage.connect(), stage.connect()) for age in ages]
    for age, closed_here, closed_there in talks:
        sleep(max(0.0, age - closed_there.idle()))
        spells += [closed_here.close(), closed_there.idle()]
        closed_there.server.close()
        closed_there.client.recv(1)
        closed_there.close()
        closed_here.server.close()
    return Ends(closed=spells)


@scenario("a burst of closes")
def burst(stage: Stage) -> Ends:
    """
    Five hundred at once.
    """
    talks = stage.connections(500)
    sleep(2)
    return Ends(closed=[talk.close() for talk in talks])


@scenario("plain packet loss without idling", act=2)
def packet_loss(stage: Stage) -> Ends:
    """
    Busy connections that lose one segment in ten are slow, but do not hang.
    """
    stage.lab.client.sysctl("net.ipv4.tcp_retries2", 15)
    talks = stage.connections(20)
    stage.lab.nat.lose(10)
    chat(talks, 8)
    stage.lab.nat.heal()
    for talk in talks:
        talk.exchange()
    stage.lab.client.sysctl("net.ipv4.tcp_retries2", SYSCTLS["tcp_retries2"])
    return Ends(closed=[talk.close() for talk in talks])


@scenario("NAT restarted", drop=Fate("retransmit_timeout", idle_drop=False), reset=CRASH, act=3)
def nat_restarted(stage: Stage) -> Ends:
    """
    Every mapping is lost at once, of busy connections: they die, but not of idling.
    """
    talks = stage.connections(20)
    chat(talks, 2)
    stage.lab.nat.flush()
    spells = [talk.write() for talk in talks]
    for talk in talks:
        talk.wait_for_end()
        talk.close()
    return Ends(died=spells)

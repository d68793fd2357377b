"""
Converts analyzed connections into rows with owners, exact options and advice.
"""

import ipaddress
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from exporter.analysis.exact_options import with_options
from exporter.analysis.verdicts import is_peer_excluded
from exporter.config.schema import Config
from exporter.connections.advice import Advice, advise
from exporter.connections.client_hints import ClientHint, ClientHints
from exporter.connections.selection import Page
from exporter.model import (
    AT_RISK_PROTECTIONS,
    Direction,
    IdleState,
    OwningProcess,
    Path,
    Protection,
    Recommended,
    Risk,
    SocketOptions,
    TcpState,
    Timer,
)
from exporter.paths.matching import idle_timeouts, to_text
from exporter.remedies.recognition import ClientTraits


@dataclass(frozen=True, slots=True)
class Keepalive:
    """
    A connection's keepalive, in seconds. None: unknown.

    exact: read from the socket's options; otherwise time is a lower bound. user_timeout is 0 if
    TCP_USER_TIMEOUT is not set.
    """

    exact: bool
    on: bool | None
    time: float | None
    interval: float | None = None
    probes: int | None = None
    user_timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Connection:
    """
    One connection. Addresses are text, times are seconds. path is None if it crosses no path.

    workload is None if workloads have no names, process if it was not found, expires if no timer
    runs. presumed: protection is none or late only if the peer does not probe, which was not
    watched for long enough. received is the time since the last segment from the peer, except for
    probes. uid is that of the socket's creator; inode and cookie identify the socket.
    """

    netns: str
    workload: str | None
    process: OwningProcess | None
    uid: int
    inode: int
    cookie: int
    direction: Direction
    local: str
    local_port: int
    remote: str
    remote_port: int
    state: str
    path: Path | None
    risk: Risk
    idle: float | None
    received: float | None
    idle_state: IdleState
    protection: Protection
    presumed: bool
    timer: Timer
    expires: float | None
    unanswered: int
    send_queue: int
    receive_queue: int
    keepalive: Keepalive
    advice: Advice | None
    hint: ClientHint


@dataclass(frozen=True, slots=True)
class Owners:
    """
    What is known about the owners of a page's sockets.

    processes and options are by socket inode, workloads by cgroup, commands (the arguments of the
    processes) by pid.
    """

    processes: Mapping[int, OwningProcess]
    options: Mapping[int, SocketOptions]
    workloads: Mapping[int, str]
    commands: Mapping[int, tuple[str, ...]] = field(default_factory=dict, repr=False)


_MAY_BE_PRESUMED = (Risk.AT_RISK, Risk.UNPROTECTED)


def make_rows(
    page: Page,
    config: Config,
    times: Mapping[str, float | None],
    owners: Owners,
) -> list[Connection]:
    """
    Rows in the order of the page. times has the keepalive time settings of network namespaces.
    """
    judged = page.judged
    inodes = judged.table.inode.tolist()
    options = [owners.options.get(inode) for inode in inodes]
    path_of = [config.paths[index] if index >= 0 else None for index in judged.path_of.tolist()]
    timeouts = idle_timeouts(config.paths)[judged.path_of]
    judged = with_options(judged, options, timeouts, config.near_limit_ratio)
    table, known = judged.table, judged.known
    seconds, risks = judged.idle.tolist(), judged.risk.tolist()
    inbound = judged.inbound.tolist()
    peer_excluded = is_peer_excluded(known, config.near_limit_ratio * timeouts).tolist()
    timers = np.minimum(table.timer, Timer.OTHER).tolist()
    received = (known["read_at"] - known["received_at"]).tolist()
    hints = ClientHints(Recommended(**config.recommended.model_dump()))
    rows = []
    for index, inode in enumerate(inodes):
        path = path_of[index]
        risk, timer = Risk(risks[index]), Timer(timers[index])
        protection = Protection(judged.verdicts.protection[index])
        direction = Direction.INBOUND if inbound[index] else Direction.OUTBOUND
        process, exact = owners.processes.get(inode), options[index]
        keepalive = _keepalive(exact, known["armed"][index], known["keepalive_time"][index])
        setting = times.get(page.netns[index])
        remote = to_text(table.remote[index])
        advice = advise(risk, protection, exact, path, setting)
        if advice is Advice.FRAGILE and ipaddress.ip_address(remote).is_loopback:
            advice = None
        ports = table.local_port if inbound[index] else table.remote_port
        traits = _traits(
            process,
            owners,
            direction=direction,
            port=int(ports[index]),
            on=keepalive.on,
            options=exact,
        )
        rows.append(
            Connection(
                netns=page.netns[index],
                workload=owners.workloads.get(int(known["cgroup"][index])),
                process=process,
                uid=int(table.uid[index]),
                inode=inode,
                cookie=int(table.cookie[index]),
                direction=direction,
                local=to_text(table.local[index]),
                local_port=int(table.local_port[index]),
                remote=remote,
                remote_port=int(table.remote_port[index]),
                state=TcpState(table.state[index]).name.lower(),
                path=path,
                risk=risk,
                idle=_known(seconds[index]),
                received=_known(received[index]),
                idle_state=IdleState(judged.verdicts.idle_state[index]),
                protection=protection,
                presumed=risk in _MAY_BE_PRESUMED
                and protection in AT_RISK_PROTECTIONS
                and not peer_excluded[index],
                timer=timer,
                expires=None if timer is Timer.NONE else _known(table.expires[index]),
                unanswered=int(table.unanswered[index]),
                send_queue=int(table.send_queue[index]),
                receive_queue=int(table.receive_queue[index]),
                keepalive=keepalive,
                advice=advice,
                hint=hints.hint(
                    traits=traits, advice=advice, protection=protection, path=path, setting=setting
                ),
            )
        )
    return rows


def _traits(  # noqa: PLR0913  one argument per fact
    process: OwningProcess | None,
    owners: Owners,
    *,
    direction: Direction,
    port: int,
    on: bool | None,
    options: SocketOptions | None,
) -> ClientTraits:
    command = owners.commands.get(process.pid, ()) if process else ()
    names = (process.name,) if process else ()
    if command:
        names = (*names, command[0].rpartition("/")[2])
    return ClientTraits(names, " ".join(command), direction, port, on, options)


def _keepalive(options: SocketOptions | None, armed: int, at_least: float) -> Keepalive:
    if options is not None:
        return Keepalive(
            exact=True,
            on=options.keepalive,
            time=options.time,
            interval=options.interval,
            probes=options.probes,
            user_timeout=options.user_timeout,
        )
    on = bool(armed) if armed >= 0 else None
    return Keepalive(exact=False, on=on, time=_known(at_least) if on else None)


def _known(seconds: float) -> float | None:
    return None if math.isnan(seconds) else float(seconds)

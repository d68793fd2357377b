"""
Judged connections made into what people are shown: with owners, exact options and advice.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from exporter.analysis.judged import Judged
from exporter.analysis.observation import idle
from exporter.analysis.verdicts import Verdicts, protection_by_options
from exporter.connections.advice import advise
from exporter.connections.row import Connection, Keepalive
from exporter.connections.selection import Page
from exporter.linux.procfs.processes import Processes
from exporter.linux.procfs.socket_options import read_options
from exporter.model import (
    Direction,
    IdleState,
    Path,
    Protection,
    Risk,
    SocketOptions,
    Timer,
)
from exporter.paths.matching import to_text

_STATES = {1: "established", 8: "close_wait"}  # include/net/tcp_states.h


def make_rows(
    page: Page,
    paths: Sequence[Path],
    times: Mapping[str, float | None],
    processes: Processes,
    workloads: Mapping[int, str],
) -> list[Connection]:
    """
    The connections in their order.

    times are the network namespaces' keepalive times, if known, workloads the names by cgroup.
    """
    judged = page.judged
    inodes = judged.table.inode.tolist()
    uids = dict(zip(inodes, judged.table.uid.tolist(), strict=True))
    holders = processes.holders(uids)
    options = [
        read_options(holders[inode], inode) if inode in holders else None for inode in inodes
    ]
    path_of = [paths[index] if index >= 0 else None for index in judged.path_of.tolist()]
    judged = _judge_anew(judged, path_of, options)
    table, known = judged.table, judged.known
    seconds, risks = idle(known).tolist(), judged.risk.tolist()
    timers = np.minimum(table.timer, Timer.OTHER).tolist()
    received = (known["read_at"] - known["received_at"]).tolist()
    rows = []
    for index, inode in enumerate(inodes):
        path = path_of[index]
        risk, timer = Risk(risks[index]), Timer(timers[index])
        protection = Protection(judged.verdicts.protection[index])
        rows.append(
            Connection(
                netns=page.netns[index],
                workload=workloads.get(int(known["cgroup"][index])),
                process=holders.get(inode),
                uid=int(table.uid[index]),
                direction=Direction.INBOUND if known["inbound"][index] else Direction.OUTBOUND,
                local=to_text(table.local[index]),
                local_port=int(table.local_port[index]),
                remote=to_text(table.remote[index]),
                remote_port=int(table.remote_port[index]),
                state=_STATES[int(table.state[index])],
                path=path,
                risk=risk,
                idle=_known(seconds[index]),
                received=_known(received[index]),
                idle_state=IdleState(judged.verdicts.idle_state[index]),
                protection=protection,
                timer=timer,
                expires=None if timer is Timer.NONE else _known(table.expires[index]),
                unanswered=int(table.unanswered[index]),
                send_queue=int(table.send_queue[index]),
                receive_queue=int(table.receive_queue[index]),
                keepalive=_keepalive(
                    options[index], known["armed"][index], known["keepalive_time"][index]
                ),
                advice=advise(risk, protection, options[index], path, times.get(page.netns[index])),
            )
        )
    return rows


def _judge_anew(
    judged: Judged, path_of: Sequence[Path | None], options: Sequence[SocketOptions | None]
) -> Judged:
    """
    The same connections, judged by their exact options too where those are known.
    """
    protection = judged.verdicts.protection.copy()
    for index, (path, exact) in enumerate(zip(path_of, options, strict=True)):
        if path is not None and exact is not None:
            before = Protection(protection[index])
            protection[index] = protection_by_options(before, exact, path.idle_timeout)
    return replace(judged, verdicts=Verdicts(protection, judged.verdicts.idle_state))


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

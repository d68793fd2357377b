"""
Keepalive options of other processes' sockets, which netlink does not report, read and changed
through copies of their descriptors.

borrower.py, which runs as a separate process, makes the copies and explains why.
"""

import errno
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from exporter.linux import borrower
from exporter.model import ConnectionTable, KeepaliveValues, OwningProcess, SocketOptions

if sys.platform != "linux":
    raise ImportError("pidfd_getfd exists on Linux only")

_COMMAND = (sys.executable, "-I", "-S", borrower.__file__)
_MILLISECOND = 0.001
_BACKSTOP = 5.0
"""Seconds after the limit at which the borrower is ended, in case it does not end by itself."""
LONGEST_READ = 3.0
"""Seconds, enough for ten thousand sockets on a busy host."""


class Failure(StrEnum):
    """
    Why a socket's options could not be read or changed.
    """

    GONE = "gone"
    NOT_PERMITTED = "not_permitted"
    UNSUPPORTED = "unsupported"
    BLOCKED = "blocked"
    OUT_OF_TIME = "out_of_time"
    OPTIONS_CHANGED = "options_changed"
    ERROR = "error"


_BY_STATUS = {
    borrower.OTHER_SOCKET: Failure.GONE,
    errno.EBADF: Failure.GONE,
    errno.ESRCH: Failure.GONE,
    errno.EPERM: Failure.NOT_PERMITTED,
    errno.EACCES: Failure.NOT_PERMITTED,
    errno.ENOSYS: Failure.UNSUPPORTED,
    borrower.BLOCKED: Failure.BLOCKED,
    borrower.OPTIONS_CHANGED: Failure.OPTIONS_CHANGED,
    borrower.NOT_KEPT: Failure.OPTIONS_CHANGED,
}


class HolderFinder(Protocol):
    """
    Finds the processes that hold sockets.
    """

    def holders(self, uids: dict[int, int]) -> dict[int, OwningProcess]:
        """
        The holders by inode; uids has the uid that created each socket, by inode.
        """


@dataclass(frozen=True, slots=True)
class KnownSocket:
    """
    A socket and a process that holds it. netns is the inode number of its network namespace, 0 if
    unknown; cookie and inode are verified before anything is read or changed.
    """

    holder: OwningProcess
    uid: int
    inode: int
    cookie: int
    netns: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """
    Values to set on a socket, unless its options differ from before by then.
    """

    socket: KnownSocket
    before: SocketOptions
    values: KeepaliveValues


@dataclass(frozen=True, slots=True)
class Borrowed:
    """
    The outcome for one socket: its options, after the change if there was one, or why not.
    """

    options: SocketOptions | None
    failure: Failure | None = None


def find_sockets(
    tables: Iterable[ConnectionTable], processes: HolderFinder
) -> dict[int, KnownSocket]:
    """
    The sockets of connections whose holders are visible, by inode.
    """
    identities = {
        inode: (uid, cookie)
        for table in tables
        for inode, uid, cookie in zip(
            table.inode.tolist(), table.uid.tolist(), table.cookie.tolist(), strict=True
        )
    }
    holders = processes.holders({inode: uid for inode, (uid, _) in identities.items()})
    return {
        inode: KnownSocket(
            holder, uid=identities[inode][0], inode=inode, cookie=identities[inode][1]
        )
        for inode, holder in holders.items()
    }


def read_options(
    sockets: Iterable[KnownSocket], limit: float = LONGEST_READ
) -> dict[int, Borrowed]:
    """
    The options of sockets, by inode, as far as they can be read within limit seconds.

    Reading them requires permission to trace the holders (ptrace(2)), and Linux 5.6.
    """
    wanted = list(sockets)
    outcomes = _borrow([_request(each) for each in wanted], limit)
    return {each.inode: outcome for each, outcome in zip(wanted, outcomes, strict=True)}


def change_options(changes: Sequence[Change], limit: float) -> list[Borrowed]:
    """
    Change the options of sockets, as far as possible within limit seconds; returns the outcomes in
    order.
    """
    return _borrow([_request(each.socket, each) for each in changes], limit)


def _request(sock: KnownSocket, change: Change | None = None) -> borrower.Request:
    holder = sock.holder
    request = borrower.Request(
        holder.pid, holder.descriptor, sock.uid, sock.inode, sock.cookie, sock.netns
    )
    if change is None:
        return request
    before, values = change.before, change.values
    return request._replace(
        expected_keepalive=int(before.keepalive),
        expected_time=int(before.time),
        expected_interval=int(before.interval),
        expected_probes=before.probes,
        time=values.time,
        interval=values.interval,
        probes=values.probes,
    )


def _borrow(requests: Sequence[borrower.Request], limit: float) -> list[Borrowed]:
    outcomes = [Borrowed(None, Failure.OUT_OF_TIME)] * len(requests)
    if not requests:
        return outcomes
    asked = b"".join(borrower.REQUEST.pack(*request) for request in requests)
    try:
        # Its own session: Ctrl-C must not interrupt it between two options.
        answers = subprocess.run(  # noqa: S603  Python and a file of ours
            [*_COMMAND, str(limit)],
            input=asked,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            timeout=limit + _BACKSTOP,
            check=False,
        ).stdout
    except subprocess.TimeoutExpired as expired:
        answers = expired.stdout or b""
    except OSError:  # no more processes, or Python cannot be run
        return [Borrowed(None, Failure.ERROR)] * len(requests)
    whole = len(answers) // borrower.ANSWER.size * borrower.ANSWER.size
    for index, status, *values in borrower.ANSWER.iter_unpack(answers[:whole]):
        failure = failure_of(status)
        outcomes[index] = Borrowed(None if failure else _options(values[5:]), failure)
    return outcomes


def failure_of(status: int) -> Failure | None:
    """
    What a status of the borrower means.
    """
    return _BY_STATUS.get(status, Failure.ERROR) if status else None


def _options(values: Sequence[int]) -> SocketOptions:
    keepalive, time, interval, probes, user_timeout = values
    return SocketOptions(
        keepalive=bool(keepalive),
        time=time,
        interval=interval,
        probes=probes,
        user_timeout=_MILLISECOND * user_timeout,
    )

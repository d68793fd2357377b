"""
How a dump is received, and what is said when it cannot be.
"""

import errno
import fcntl
import itertools
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future

import pytest

from exporter.linux.netlink import dump as diag
from exporter.linux.netlink.decode import decode
from exporter.linux.netlink.dump import CONNECTED, _without_repeats, dump
from exporter.model import CollectorError, ConnectionTable, InterruptedReadError
from tests.lab import requires_lab
from tests.linux.netlink.capture import (
    ALL_STATES,
    SEQUENCE,
    request,
    request_for_both,
)
from tests.linux.netlink.population import population
from tests.linux.netlink.synthetic import (
    DONE,
    ERROR,
    attribute,
    connection,
    netlink,
)
from tests.linux.rights import refuse_netlink

LISTEN_AND_DUMP = """
import socket
from exporter.linux.netlink.dump import LISTENING, dump
listener = socket.create_server(("0.0.0.0", 0))
ports = [port for table in dump(LISTENING) for port in table.local_port.tolist()]
assert ports == [listener.getsockname()[1]], ports
"""
END = netlink(DONE, bytes(4))


def cookies(tables: Iterable[ConnectionTable]) -> list[int]:
    """
    The connections' cookies, in the order of the tables.
    """
    return [cookie for table in tables for cookie in table.cookie.tolist()]


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """
    The other end of the exporter's socket, in the kernel's stead. Its first request has SEQUENCE.
    """
    ours, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    # Servers with many connections have file descriptors beyond what select() takes.
    high = socket.socket(fileno=fcntl.fcntl(ours, fcntl.F_DUPFD_CLOEXEC, 1024))
    high.setblocking(False)
    monkeypatch.setattr(diag, "_connect", lambda: high)
    monkeypatch.setattr(diag, "_sequence", itertools.count(SEQUENCE))
    monkeypatch.setattr(diag, "_TIMEOUT", 0.05)
    with ours, high, kernel:
        yield kernel


class TestReceiving:
    """
    Requests are answered by datagrams, whose messages are looked at when none waits any more.
    """

    def test_request(self, kernel: socket.socket) -> None:
        """
        IPv4 and IPv6 are asked for at once, and received until the end, wherever that lies.
        """
        kernel.send(connection(cookie=1))
        kernel.send(connection(cookie=2, kind=18) + connection(cookie=3))
        tables = dump(CONNECTED)
        assert cookies([next(tables)]) == [1, 2, 3]
        kernel.send(connection(cookie=4) + END)
        assert cookies(tables) == [4]
        assert kernel.recv(1000) == request_for_both(1 << 1 | 1 << 8)

    def test_late_datagrams(self, kernel: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        A dump that is not over is waited for.
        """
        monkeypatch.setattr(diag, "_TIMEOUT", 10)
        kernel.send(connection(cookie=1))
        tables = dump()
        assert cookies([next(tables)]) == [1]
        late = threading.Timer(0.2, kernel.send, [connection(cookie=2)])
        late.start()
        assert cookies([next(tables)]) == [2]
        late.join()

    def test_dump_without_end(self, kernel: socket.socket) -> None:
        """
        One that never goes on is an error, not an end.
        """
        kernel.send(connection(cookie=1))
        tables = dump()
        assert cookies([next(tables)]) == [1]
        with pytest.raises(CollectorError, match="stopped before its end"):
            next(tables)

    def test_abandoned_dump(self, kernel: socket.socket) -> None:
        """
        Whoever stops reading leaves no socket open.
        """
        kernel.send(connection())
        tables = dump()
        netlink_socket = diag._connect()
        next(tables)
        del tables
        assert netlink_socket.fileno() == -1

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (b"junk", "unexpected netlink message: message claims"),
            (bytes(33 << 10), "unexpected netlink message: datagram of 33792 bytes"),
            (netlink(ERROR, b"\xfe\xff\xff\xff" + bytes(16)), "modprobe tcp_diag"),
            (netlink(DONE, b"\xf4\xff\xff\xff"), "Cannot allocate memory"),
        ],
    )
    def test_answers_that_are_none(self, kernel: socket.socket, answer: bytes, said: str) -> None:
        """
        What the kernel should not send, and what it reports, is told as the collector's error.
        """
        kernel.send(answer)
        with pytest.raises(CollectorError, match=said):
            list(dump())

    def test_interrupted(self, kernel: socket.socket) -> None:
        """
        A dump that is not whole says that reading again may help.
        """
        kernel.send(connection() + netlink(DONE, bytes(4), flags=0x12))
        with pytest.raises(InterruptedReadError):
            list(dump())

    @requires_lab
    def test_batches(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        However few datagrams are decoded at once, every connection comes exactly once.
        """
        with population(500) as everyone:
            monkeypatch.setattr(diag, "_BATCH_SIZE", 64 << 10)
            small = everyone.host.call(lambda: list(dump(ALL_STATES)))
            monkeypatch.undo()
            large = everyone.host.call(lambda: list(dump(ALL_STATES)))
        assert len(small) > len(large)
        assert sorted(cookies(small)) == sorted(cookies(large))
        assert len(cookies(large)) > 900


class TestRepeats:
    """
    The kernel may send the last connection of a datagram once more at the start of the next.
    """

    @staticmethod
    def read(*batches: bytes) -> list[int]:
        """
        The cookies in these batches, each decoded on its own, less the repeats.
        """
        tables = (
            table for batch in batches for table in decode(memoryview(batch), SEQUENCE, 0.0).tables
        )
        return sorted(cookies(_without_repeats(tables)))

    def test_within_a_batch(self) -> None:
        """
        It is dropped where both datagrams are in one batch.
        """
        batch = b"".join(connection(cookie=number) for number in (1, 2, 2, 3))
        assert self.read(batch) == [1, 2, 3]

    def test_between_batches(self) -> None:
        """
        It is dropped where they are in different batches.
        """
        first = connection(cookie=1) + connection(cookie=2)
        assert self.read(first, connection(cookie=2) + connection(cookie=3)) == [1, 2, 3]
        assert self.read(first, connection(cookie=2), connection(cookie=3)) == [1, 2, 3]

    def test_between_batches_of_several_layouts(self) -> None:
        """
        The last connection of a batch need not be in its last table, nor the first in the first.
        """
        longer = attribute(99, b"")
        first = (
            connection(cookie=1)
            + connection(longer, cookie=2)
            + connection(cookie=3)
            + connection(longer, cookie=4)
        )
        assert self.read(first, connection(longer, cookie=4)) == [1, 2, 3, 4]
        second = connection(longer, cookie=4) + connection(cookie=5)
        assert self.read(first, second) == [1, 2, 3, 4, 5]

    def test_in_a_dump(self, kernel: socket.socket) -> None:
        """
        A dump is read without them.
        """
        kernel.send(connection(cookie=1))
        kernel.send(connection(cookie=1) + connection(cookie=2))
        assert cookies([next(dump())]) == [1, 2]

    def test_nothing_else_is_dropped(self) -> None:
        """
        Connections that come once stay, whatever their cookies.
        """
        numbers = [1, 2, 3, 1 << 63]
        assert self.read(*(connection(cookie=number) for number in reversed(numbers))) == numbers


class TestRefusedByTheKernel:
    """
    Where netlink is not to be had, the error says why and what to do.
    """

    @pytest.mark.parametrize(
        ("number", "said"),
        [
            (
                errno.EPERM,
                "not permitted here (Operation not permitted); is it filtered by seccomp?",
            ),
            (errno.EACCES, "not permitted here (Permission denied); is it filtered by seccomp?"),
            (errno.EAFNOSUPPORT, "RestrictAddressFamilies must allow AF_NETLINK"),
        ],
    )
    def test_seccomp(self, number: int, said: str) -> None:
        """
        A filter as container runtimes and systemd set it is named as the likely cause.
        """
        outcome: Future[str] = Future()

        def refused() -> None:
            refuse_netlink(number)
            with pytest.raises(CollectorError) as caught:
                list(dump())
            outcome.set_result(str(caught.value))

        thread = threading.Thread(target=refused)
        thread.start()
        thread.join()
        assert said in outcome.result(timeout=0)
        list(dump())  # only that thread was filtered

    def test_no_tcp_diag(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        A protocol that no kernel module dumps is what TCP is without tcp_diag: it says which.
        """
        monkeypatch.setattr(
            diag,
            "_request",
            lambda states, sequence: request(
                socket.AF_INET, states, protocol=254, sequence=sequence
            ),
        )
        with pytest.raises(CollectorError, match="modprobe tcp_diag"):
            list(dump())

    @requires_lab
    def test_user_namespace(self) -> None:
        """
        Root in a user namespace of its own, as in a rootless container, reads its sockets.
        """
        unshare = ["unshare", "--user", "--map-root-user", "--net"]
        subprocess.run([*unshare, sys.executable, "-c", LISTEN_AND_DUMP], check=True)

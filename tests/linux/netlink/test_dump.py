"""
Receiving of dumps, and errors.
"""

import errno
import fcntl
import itertools
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future

import pytest

from exporter.linux.netlink import dump as diag
from exporter.linux.netlink.decode import decode
from exporter.linux.netlink.dump import CONNECTED, ConnectionDump, _without_repeats, dump
from exporter.model import CollectorError, ConnectionTable, InterruptedReadError
from tests.lab import requires_lab
from tests.lab.requirements import needs_files
from tests.linux.netlink.capture import ALL_STATES, SEQUENCE, request, request_for_both
from tests.linux.netlink.population import population
from tests.linux.netlink.synthetic import DONE, ERROR, attribute, connection, netlink
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
    The other end of the exporter's socket, in place of the kernel. The first request has SEQUENCE.
    """
    needs_files(1024)
    ours, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    # Servers with many connections have file descriptors above the limit of select().
    number = fcntl.fcntl(ours, fcntl.F_DUPFD_CLOEXEC, 1024)
    high = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, fileno=number)
    high.setblocking(False)
    monkeypatch.setattr(diag, "_connect", lambda: high)
    monkeypatch.setattr(diag, "_sequence", itertools.count(SEQUENCE))
    monkeypatch.setattr(diag, "_TIMEOUT", 0.05)
    with ours, high, kernel:
        yield kernel


class TestReceiving:
    """
    Requests are answered with datagrams, which are decoded when no more are pending.
    """

    def test_request(self, kernel: socket.socket) -> None:
        """
        One request asks for IPv4 and IPv6; datagrams are received until the end message.
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
        Late datagrams of an unfinished dump are received.
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
        A dump without further datagrams and without an end message is an error.
        """
        kernel.send(connection(cookie=1))
        tables = dump()
        assert cookies([next(tables)]) == [1]
        with pytest.raises(CollectorError, match="dump incomplete"):
            next(tables)

    def test_abandoned_dump(self, kernel: socket.socket) -> None:
        """
        An abandoned dump closes its socket.
        """
        kernel.send(connection())
        tables = dump()
        netlink_socket = diag._connect()
        next(tables)
        del tables
        assert netlink_socket.fileno() == -1

    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            (b"junk", r"message length \d+ with 4 bytes left"),
            (bytes(33 << 10), "datagram of 33792 bytes"),
            (netlink(ERROR, b"\xfe\xff\xff\xff" + bytes(16)), "modprobe tcp_diag"),
            (netlink(DONE, b"\xf4\xff\xff\xff"), "Cannot allocate memory"),
        ],
    )
    def test_invalid_answers(self, kernel: socket.socket, answer: bytes, reason: str) -> None:
        """
        Invalid messages, and errors that the kernel reports, raise a CollectorError with the
        reason.
        """
        kernel.send(answer)
        with pytest.raises(CollectorError, match=reason):
            list(dump())

    def test_interrupted(self, kernel: socket.socket) -> None:
        """
        An incomplete dump raises InterruptedReadError, so that it can be repeated.
        """
        kernel.send(connection() + netlink(DONE, bytes(4), flags=0x12))
        with pytest.raises(InterruptedReadError):
            list(dump())

    @pytest.mark.parametrize(
        ("number", "facts"),
        [
            (errno.ENOENT, ["modprobe tcp_diag"]),
            (errno.EOPNOTSUPP, ["modprobe tcp_diag"]),
            (errno.EPERM, ["seccomp", "Operation not permitted"]),
            (errno.EACCES, ["seccomp", "Permission denied"]),
            (errno.EAFNOSUPPORT, ["AF_NETLINK", "RestrictAddressFamilies", "not supported"]),
            (errno.EPROTONOSUPPORT, ["AF_NETLINK", "RestrictAddressFamilies", "not supported"]),
            (errno.EMFILE, ["Too many open files"]),
        ],
    )
    def test_refused(self, monkeypatch: pytest.MonkeyPatch, number: int, facts: list[str]) -> None:
        """
        If netlink is not available, the error has the reason and what to do.
        """

        def refuse() -> socket.socket:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(diag, "_connect", refuse)
        with pytest.raises(CollectorError) as caught:
            list(dump())
        assert [fact for fact in facts if fact not in str(caught.value)] == []

    def test_small_buffer(self, kernel: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        A batch ends when the buffer has no room for another datagram of the largest size.
        """
        monkeypatch.setattr(diag, "_BATCH_SIZE", 2 * diag._DATAGRAM_SIZE)
        rest = diag._DATAGRAM_SIZE - len(connection(attribute(99, b"")))
        for cookie in (1, 2, 3, 4):
            kernel.send(connection(attribute(99, bytes(rest)), cookie=cookie))
        kernel.send(END)
        assert [table.cookie.tolist() for table in dump()] == [[1, 2], [3, 4]]

    def test_datagram_as_large_as_the_kernels(self, kernel: socket.socket) -> None:
        """
        A datagram may have as many bytes as the kernel's largest ones.
        """
        empty = connection(attribute(99, b""))
        kernel.send(connection(attribute(99, bytes(diag._DATAGRAM_SIZE - len(empty)))))
        kernel.send(END)
        assert cookies(dump()) == [1]

    def test_time(self, kernel: socket.socket) -> None:
        """
        Rows have the time at which they were read.
        """
        kernel.send(connection(cookie=1) + END)
        before = time.monotonic()
        (table,) = ConnectionDump()
        assert before <= table.read_at[0] <= time.monotonic()
        assert kernel.recv(1000) == request_for_both(1 << 1 | 1 << 8)

    def test_without_tcp_info(self, kernel: socket.socket) -> None:
        """
        Without tcp_info, the request has no extensions.
        """
        kernel.send(connection(cookie=1) + END)
        assert cookies(ConnectionDump(tcp_info=False)) == [1]
        request = kernel.recv(1000)
        assert (request[19], request_for_both(1 << 1 | 1 << 8)[19]) == (0, 2)
        assert request[20:] == request_for_both(1 << 1 | 1 << 8)[20:]

    @requires_lab
    def test_batches(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        Independent of the batch size, every connection is returned exactly once.
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
    The kernel may repeat the last connection of a datagram at the start of the next one.
    """

    @staticmethod
    def read(*batches: bytes) -> list[int]:
        """
        The cookies in these batches without repeats; each batch is decoded separately.
        """
        tables = (
            table for batch in batches for table in decode(memoryview(batch), SEQUENCE, 0.0).tables
        )
        return sorted(cookies(_without_repeats(tables)))

    def test_within_a_batch(self) -> None:
        """
        A repeat is removed if both datagrams are in one batch.
        """
        batch = b"".join(connection(cookie=number) for number in (1, 2, 2, 3))
        assert self.read(batch) == [1, 2, 3]

    def test_between_batches(self) -> None:
        """
        A repeat is removed if the datagrams are in different batches.
        """
        first = connection(cookie=1) + connection(cookie=2)
        assert self.read(first, connection(cookie=2) + connection(cookie=3)) == [1, 2, 3]
        assert self.read(first, connection(cookie=2), connection(cookie=3)) == [1, 2, 3]

    def test_between_batches_of_several_layouts(self) -> None:
        """
        A repeat is removed if the last connection of a batch is not in its last table, or the first
        one not in its first table.
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
        A dump has no repeats.
        """
        kernel.send(connection(cookie=1))
        kernel.send(connection(cookie=1) + connection(cookie=2))
        assert cookies([next(dump())]) == [1, 2]

    def test_nothing_else_is_removed(self) -> None:
        """
        Connections that occur once are kept, independent of their cookies.
        """
        numbers = [1, 2, 3, 1 << 63]
        assert self.read(*(connection(cookie=number) for number in reversed(numbers))) == numbers


@pytest.mark.system
class TestRefusedByTheKernel:
    """
    If netlink is not available, the error has the reason and what to do.
    """

    @pytest.mark.parametrize(
        ("number", "facts"),
        [
            (errno.EPERM, ("Operation not permitted", "seccomp")),
            (errno.EACCES, ("Permission denied", "seccomp")),
            (errno.EAFNOSUPPORT, ("systemd", "RestrictAddressFamilies", "AF_NETLINK")),
        ],
    )
    def test_seccomp(self, number: int, facts: tuple[str, ...]) -> None:
        """
        If a filter of a container runtime or systemd is the likely cause, the error has it.
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
        message = outcome.result(timeout=0)
        assert [fact for fact in facts if fact not in message] == []
        list(dump())  # the filter applied to that thread only

    def test_no_tcp_diag(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        The error for a protocol without a diag module, as TCP without tcp_diag, has the command to
        load it.
        """
        monkeypatch.setattr(
            diag,
            "_request",
            lambda _, states, sequence: request(
                socket.AF_INET, states, protocol=254, sequence=sequence
            ),
        )
        with pytest.raises(CollectorError, match="modprobe tcp_diag"):
            list(dump())

    @requires_lab
    def test_user_namespace(self) -> None:
        """
        Root in another user namespace, as in a rootless container, can read its sockets.
        """
        unshare = ["unshare", "--user", "--map-root-user", "--net"]
        subprocess.run([*unshare, sys.executable, "-c", LISTEN_AND_DUMP], check=True)

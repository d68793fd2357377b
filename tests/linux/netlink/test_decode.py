"""
Decoding of real and handmade messages.
"""

import itertools
import struct
import time
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from exporter.linux.netlink.decode import decode
from tests.linux.netlink.agreement import agree, decoded
from tests.linux.netlink.capture import SEQUENCE, messages
from tests.linux.netlink.reference import Row
from tests.linux.netlink.rivals import by_pyroute2
from tests.linux.netlink.synthetic import (
    CAPTURES,
    INFO,
    MARK,
    SHUTDOWN,
    ULP_INFO,
    attribute,
    cgroup,
    connection,
    info,
)

OF_TCP_INFO = {
    # column: minimum length of tcp_info
    "retransmits": 3,
    "probes": 4,
    "backoff": 5,
    "unacked": 28,
    "busy": 176,
    "last_data_sent": 48,
    "last_data_received": 56,
    "last_ack_received": 60,
    "segments_out": 140,
    "segments_in": 144,
    "bytes_acked": 128,
    "bytes_sent": 208,
    "bytes_retransmitted": 216,
}
ABSENT = dict.fromkeys(OF_TCP_INFO, -1) | dict.fromkeys(
    ("busy", "last_data_sent", "last_data_received", "last_ack_received")
)
CGROUP = 77 << 40
EXAMPLE = connection(info(280), cgroup(CGROUP))


def only(data: bytes) -> Row:
    """
    The only connection in a batch.
    """
    (row,) = decoded(data)
    return row


class TestConnections:
    """
    Connections with any attributes, in any order.
    """

    def test_captures(self) -> None:
        """
        Captures of two kernels exist, with different lengths of tcp_info.
        """
        assert [path.stem for path in CAPTURES] == ["linux-6.1", "linux-6.18"]

    @pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
    def test_captured(self, capture: Path) -> None:
        """
        Real messages of Linux 6.1 and 6.18 are decoded like by pyroute2 and the reference.
        """
        data = capture.read_bytes()
        assert agree(data)
        assert sorted(decoded(data)) == sorted(by_pyroute2(data))
        assert len(decoded(data)) == len(messages(data)) - 2, "two dumps with their ends"

    def test_every_column(self) -> None:
        """
        Each column is decoded from its field; ages are in seconds.
        """
        assert only(EXAMPLE) == Row(
            cookie=1,
            family=2,
            state=1,
            timer=2,
            unanswered=3,
            local=0xFFFF_C000_0201,
            remote=0xFFFF_C000_0202,
            local_port=80,
            remote_port=5000,
            expires=0.005,
            receive_queue=6,
            send_queue=7,
            uid=8,
            inode=9,
            cgroup=CGROUP,
            retransmits=3,
            probes=4,
            backoff=5,
            unacked=0x1C1B1A19,
            busy=0xB0AFAEADACABAAA9 / 1_000_000,
            last_data_sent=0x302F2E2D / 1000,
            last_data_received=0x38373635 / 1000,
            last_ack_received=0x3C3B3A39 / 1000,
            segments_out=0x8C8B8A89,
            segments_in=0x908F8E8D,
            bytes_acked=0x807F7E7D7C7B7A79 - (1 << 64),
            bytes_sent=0xD0CFCECDCCCBCAC9 - (1 << 64),
            bytes_retransmitted=0xD8D7D6D5D4D3D2D1 - (1 << 64),
            mptcp=False,
        )

    @pytest.mark.parametrize(
        ("name", "mptcp"),
        [
            (b"mptcp\0", True),
            (b"mptcpx", False),
            (b"mptc\0\0", False),
            (b"tls\0", False),
            (b"", False),
        ],
    )
    def test_multipath(self, name: bytes, *, mptcp: bool) -> None:
        """
        Subflows of Multipath TCP have a protocol of this name on top of TCP.
        """
        data = connection(info(280), attribute(ULP_INFO, attribute(1, name, length=10)))
        assert only(data).mptcp == mptcp
        assert agree(data)

    @pytest.mark.parametrize("length", [0, 4, 5, 27, 28, 60, 104, 143, 144, 192, 232, 280, 400])
    def test_tcp_info_of_other_kernels(self, length: int) -> None:
        """
        Fields missing from a shorter tcp_info are absent; additional fields of a longer one are
        ignored.
        """
        row, complete = only(connection(info(length))), only(connection(info(280)))
        for column, needed in OF_TCP_INFO.items():
            expected = getattr(complete, column) if length >= needed else ABSENT[column]
            assert getattr(row, column) == expected, column
        assert row.expires == complete.expires

    def test_nothing_but_the_header(self) -> None:
        """
        A connection without attributes, such as one in TIME_WAIT, has no tcp_info and no cgroup.
        """
        row = only(connection())
        assert {column: getattr(row, column) for column in OF_TCP_INFO} == ABSENT
        assert (row.cgroup, row.local_port) == (0, 80)

    def test_types_of_columns(self) -> None:
        """
        A column has the same type if the kernel did not send its field.
        """
        complete, bare = (
            decode(memoryview(data), SEQUENCE, 0.0).tables[0] for data in (EXAMPLE, connection())
        )
        for column in fields(complete):
            kinds = {getattr(table, column.name).dtype for table in (complete, bare)}
            assert len(kinds) == 1, column.name

    def test_order_of_attributes(self) -> None:
        """
        Every order of the same attributes gives the same row; all messages have the same length.
        """
        attributes = (
            info(280),
            cgroup(CGROUP),
            attribute(SHUTDOWN, b"\x03"),
            attribute(MARK, bytes(4)),
        )
        orders = [connection(*order) for order in itertools.permutations(attributes)]
        assert decoded(b"".join(orders)) == [only(EXAMPLE)] * 24

    @pytest.mark.parametrize("payload", [b"", b"x", b"xyz", b"x" * 1000])
    def test_unknown_attributes(self, payload: bytes) -> None:
        """
        Attributes of unknown kinds are skipped, independent of their length.
        """
        unknown = attribute(99, payload)
        assert only(connection(unknown, info(280), unknown[:0], cgroup(CGROUP))) == only(EXAMPLE)
        assert only(connection(info(280), cgroup(CGROUP), unknown)) == only(EXAMPLE)

    def test_flags_of_attributes(self) -> None:
        """
        Flags in an attribute's type (nested, byte order) are ignored.
        """
        assert only(connection(attribute(INFO | 0x8000, info(280)[4:]), cgroup(CGROUP))) == only(
            EXAMPLE
        )

    def test_unpadded_end(self) -> None:
        """
        The last message need not be padded.
        """
        message = connection(info(280), cgroup(CGROUP), attribute(SHUTDOWN, b"\x03"))
        (length,) = struct.unpack_from("=I", message)
        assert only(struct.pack("=I", length - 3) + message[4:-3]) == only(EXAMPLE)

    def test_mapped_and_native(self) -> None:
        """
        IPv4 addresses are mapped to IPv6; IPv6 addresses are unmodified.
        """
        row = only(connection(family=10))
        assert row.local == 0xC0000201_C0000201_C0000201_C0000201
        assert row.remote == 0xC0000202_C0000202_C0000202_C0000202

    def test_many_layouts_interleaved(self) -> None:
        """
        With more layouts of one length than are compared at once, no connection is lost or mixed
        up.
        """
        others = [attribute(99, bytes(8))] * 20
        kinds = [[*others[:place], cgroup(9), *others[place:]] for place in range(20)]
        batch = b"".join(
            connection(*kinds[cookie % 20], cookie=cookie) for cookie in range(1, 2001)
        )
        assert len({len(message) for message in messages(batch)}) == 1
        assert agree(batch)
        tables = decode(memoryview(batch), SEQUENCE, 1.5).tables
        assert {at for table in tables for at in table.read_at.tolist()} == {1.5}

    def test_rows_outlive_the_buffer(self) -> None:
        """
        Tables do not refer to the buffer, because the next batch is received into it.
        """
        buffer = bytearray(EXAMPLE * 10)
        batch = decode(memoryview(buffer), SEQUENCE, 1.5)
        buffer[:] = bytes(len(buffer))
        (table,) = batch.tables
        assert table.cookie.tolist() == [1] * 10
        assert table.segments_in.tolist() == [0x908F8E8D] * 10
        assert np.array_equal(table.read_at, [1.5] * 10)

    def test_thousands_of_layouts_take_no_time(self) -> None:
        """
        Batches in which all layouts differ, with one length or many, are decoded within seconds.
        """
        attributes = [attribute(90 + kind, bytes(4)) for kind in range(6)] + [cgroup(1)]
        same_length = [connection(*order) for order in itertools.permutations(attributes)]
        lengths = [connection(attribute(90, bytes(extra))) for extra in range(0, 12_000, 4)]
        for batch in (same_length, lengths):
            start = time.process_time()
            assert len(decoded(b"".join(batch))) == len(batch)
            assert time.process_time() - start < 10

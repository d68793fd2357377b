"""
Messages that the decoder rejects, and the end of dumps.
"""

import errno
import struct
from pathlib import Path

import pytest

from exporter.linux.netlink.decode import Batch, decode
from exporter.linux.netlink.layout import DecodeError
from exporter.model import InterruptedReadError
from tests.linux.netlink.agreement import agree, decoded
from tests.linux.netlink.capture import SEQUENCE, messages
from tests.linux.netlink.synthetic import (
    CAPTURES,
    CGROUP_ID,
    CONNECTION,
    DONE,
    ERROR,
    NOOP,
    SHUTDOWN,
    attribute,
    cgroup,
    connection,
    info,
    netlink,
)

EXAMPLE = connection(info(280), cgroup(77))


class TestRefused:
    """
    An invalid answer to the request is rejected entirely, with an error that has the reason.
    """

    @pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
    def test_cut(self, capture: Path) -> None:
        """
        A batch cut within a message is rejected.
        """
        data = b"".join(messages(capture.read_bytes())[-6:])
        read = [length for length in range(len(data)) if agree(data[:length])]
        assert len(read) == 6, "the starts of the messages"

    @pytest.mark.parametrize("length", [0, 1, 15, 16, 87, 89, 1 << 16, (1 << 32) - 1])
    @pytest.mark.parametrize("first", [b"", EXAMPLE, EXAMPLE + connection()])
    def test_length_of_a_message(self, length: int, first: bytes) -> None:
        """
        A message cannot be shorter than its headers or longer than the batch.
        """
        with pytest.raises(DecodeError, match=r"message length|shorter than its header"):
            decoded(first + connection(length=length))

    @pytest.mark.parametrize("left", [1, 2, 3])
    def test_bytes_behind_a_message(self, left: int) -> None:
        """
        Bytes after a message, too few for the length of another one, are not ignored.
        """
        with pytest.raises(
            DecodeError, match=rf"^invalid message length 0 with {left} bytes left$"
        ):
            decoded(EXAMPLE + bytes(left))

    @pytest.mark.parametrize("left", [1, 2, 3])
    def test_bytes_behind_the_attributes(self, left: int) -> None:
        """
        Bytes after the attributes, too few for another one, are not ignored.
        """
        with pytest.raises(DecodeError, match=f"{left} bytes left"):
            decoded(connection(info(280), bytes(left)))

    @pytest.mark.parametrize("length", [0, 3, 9, 0xFFFF])
    def test_length_of_an_attribute(self, length: int) -> None:
        """
        An attribute cannot be shorter than its header or longer than the message.
        """
        with pytest.raises(DecodeError, match=f"attribute 8 at byte 88: .* {length} "):
            decoded(connection(attribute(SHUTDOWN, b"\x03", length=length)))

    @pytest.mark.parametrize("twice", [info(280) + info(60), info(60) + info(280), cgroup(1) * 2])
    def test_repeated_attribute(self, twice: bytes) -> None:
        """
        Duplicate attributes tcp_info and cgroup are rejected, because fields would be mixed.
        """
        with pytest.raises(DecodeError, match="duplicate attribute"):
            decoded(connection(twice))

    @pytest.mark.parametrize("length", [0, 4, 7, 16])
    def test_length_of_a_cgroup(self, length: int) -> None:
        """
        A cgroup id must have eight bytes.
        """
        with pytest.raises(DecodeError, match=f"cgroup id of {length} bytes"):
            decoded(connection(attribute(CGROUP_ID, bytes(length))))

    @pytest.mark.parametrize("family", [0, 1, 11, 255])
    def test_family(self, family: int) -> None:
        """
        A connection must be IPv4 or IPv6.
        """
        with pytest.raises(DecodeError, match=r"^connection that is neither IPv4 nor IPv6$"):
            decoded(EXAMPLE + connection(family=family))

    @pytest.mark.parametrize("kind", [0, 4, 19, 21, 0xFFFF])
    def test_type(self, kind: int) -> None:
        """
        Messages of other types are rejected; NLMSG_OVERRUN would mean that messages were lost.
        """
        with pytest.raises(DecodeError, match=f"type {kind}$"):
            decoded(EXAMPLE + netlink(kind, bytes(72)))

    @pytest.mark.parametrize("kind", [CONNECTION, DONE, ERROR])
    def test_answer_to_another_request(self, kind: int) -> None:
        """
        Messages of another dump, including its end, are rejected.
        """
        stale = netlink(kind, b"\x02" + bytes(71), sequence=SEQUENCE + 1)
        with pytest.raises(DecodeError, match=r"^answer to another request$"):
            decoded(EXAMPLE + stale)

    @pytest.mark.parametrize("kind", [CONNECTION, DONE])
    def test_interrupted(self, kind: int) -> None:
        """
        Any message may have the flag for an incomplete dump, including the last one.
        """
        with pytest.raises(InterruptedReadError, match=r"^the kernel interrupted the dump$"):
            decoded(EXAMPLE + netlink(kind, b"\x02" + bytes(71), flags=0x12))


class TestEnd:
    """
    The end of a dump.
    """

    def test_empty(self) -> None:
        """
        An empty batch has no tables, and does not end the dump.
        """
        assert decode(memoryview(b""), SEQUENCE, 0.0) == Batch((), done=False)

    @pytest.mark.parametrize("payload", [b"", bytes(2), bytes(4), bytes(20)])
    def test_done(self, payload: bytes) -> None:
        """
        NLMSG_DONE ends the dump, alone or after connections, with or without a status.
        """
        assert decode(memoryview(netlink(DONE, payload)), SEQUENCE, 0.0) == Batch((), done=True)
        assert agree(EXAMPLE + netlink(DONE, payload))
        assert not decode(memoryview(EXAMPLE), SEQUENCE, 0.0).done

    def test_done_amid_connections(self) -> None:
        """
        Connections after the end in the same batch are not lost.
        """
        batch = decode(memoryview(EXAMPLE + netlink(DONE, bytes(4)) + EXAMPLE), SEQUENCE, 0.0)
        assert (batch.done, sum(map(len, batch.tables))) == (True, 2)

    def test_noop(self) -> None:
        """
        NLMSG_NOOP is ignored, also if it has the length of a connection or of the end.
        """
        assert decoded(netlink(NOOP) + EXAMPLE + netlink(NOOP, bytes(72))) == decoded(EXAMPLE)
        noop = netlink(NOOP, bytes(72))
        batch = decode(memoryview(noop + connection()), SEQUENCE, 1.5)
        assert not batch.done
        assert [table.read_at.tolist() for table in batch.tables] == [[1.5]]
        assert decode(memoryview(netlink(DONE, bytes(72)) + noop), SEQUENCE, 0.0).done

    @pytest.mark.parametrize("kind", [DONE, ERROR])
    @pytest.mark.parametrize("code", [errno.EPERM, errno.ENOENT, errno.ENOBUFS, 4095])
    def test_error(self, kind: int, code: int) -> None:
        """
        An error number in NLMSG_ERROR or at the end of a dump raises OSError.
        """
        with pytest.raises(OSError, match=r"\w") as caught:
            decoded(EXAMPLE + netlink(kind, struct.pack("=i", -code) + bytes(20)))
        assert caught.value.errno == code

    @pytest.mark.parametrize("kind", [DONE, ERROR])
    def test_invalid_error_number(self, kind: int) -> None:
        """
        A status below all error numbers is rejected.
        """
        with pytest.raises(DecodeError, match="-2147483648"):
            decoded(netlink(kind, struct.pack("=i", -(1 << 31))))

    @pytest.mark.parametrize("payload", [b"", bytes(3), bytes(20), struct.pack("=i", 5)])
    def test_acknowledgement(self, payload: bytes) -> None:
        """
        NLMSG_ERROR without an error is an acknowledgement that was not requested.
        """
        with pytest.raises(DecodeError, match=r"^acknowledgement that was not requested$"):
            decoded(netlink(ERROR, payload))

"""
What the decoder refuses, and how a dump ends.
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
    What is not a sound answer to the request is refused as a whole, with an error that says why.
    """

    @pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
    def test_cut(self, capture: Path) -> None:
        """
        A batch cut anywhere but between two messages is refused.
        """
        data = b"".join(messages(capture.read_bytes())[-6:])
        read = [length for length in range(len(data)) if agree(data[:length])]
        assert len(read) == 6, "the starts of the messages"

    @pytest.mark.parametrize("claims", [0, 1, 15, 16, 87, 89, 1 << 16, (1 << 32) - 1])
    @pytest.mark.parametrize("first", [b"", EXAMPLE, EXAMPLE + connection()])
    def test_length_of_a_message(self, claims: int, first: bytes) -> None:
        """
        A message cannot be shorter than its headers or longer than the batch.
        """
        with pytest.raises(DecodeError, match=r"claims|header alone"):
            decoded(first + connection(claims=claims))

    @pytest.mark.parametrize("left", [1, 2, 3])
    def test_bytes_behind_the_attributes(self, left: int) -> None:
        """
        Too few bytes for an attribute are not passed over.
        """
        with pytest.raises(DecodeError, match=f"{left} bytes left over"):
            decoded(connection(info(280), bytes(left)))

    @pytest.mark.parametrize("claims", [0, 3, 9, 0xFFFF])
    def test_length_of_an_attribute(self, claims: int) -> None:
        """
        An attribute cannot be shorter than its header or longer than the message.
        """
        with pytest.raises(DecodeError, match="attribute 8 at byte 88 claims"):
            decoded(connection(attribute(SHUTDOWN, b"\x03", claims=claims)))

    @pytest.mark.parametrize("twice", [info(280) + info(60), info(60) + info(280), cgroup(1) * 2])
    def test_repeated_attribute(self, twice: bytes) -> None:
        """
        A connection has one tcp_info and one cgroup: of two, fields would be mixed.
        """
        with pytest.raises(DecodeError, match="twice"):
            decoded(connection(twice))

    @pytest.mark.parametrize("length", [0, 4, 7, 16])
    def test_length_of_a_cgroup(self, length: int) -> None:
        """
        A cgroup's id has eight bytes.
        """
        with pytest.raises(DecodeError, match=f"cgroup id of {length} bytes"):
            decoded(connection(attribute(CGROUP_ID, bytes(length))))

    @pytest.mark.parametrize("family", [0, 1, 11, 255])
    def test_family(self, family: int) -> None:
        """
        TCP's connections are IPv4 or IPv6.
        """
        with pytest.raises(DecodeError, match="neither IPv4 nor IPv6"):
            decoded(EXAMPLE + connection(family=family))

    @pytest.mark.parametrize("kind", [0, 4, 19, 21, 0xFFFF])
    def test_type(self, kind: int) -> None:
        """
        A dump has no messages of other types; NLMSG_OVERRUN would mean that some are lost.
        """
        with pytest.raises(DecodeError, match=f"of type {kind}"):
            decoded(EXAMPLE + netlink(kind, bytes(72)))

    @pytest.mark.parametrize("kind", [CONNECTION, DONE, ERROR])
    def test_answer_to_another_request(self, kind: int) -> None:
        """
        What another dump left behind, its end included, does not become part of this one.
        """
        stale = netlink(kind, b"\x02" + bytes(71), sequence=SEQUENCE + 1)
        with pytest.raises(DecodeError, match="another request"):
            decoded(EXAMPLE + stale)

    @pytest.mark.parametrize("kind", [CONNECTION, DONE])
    def test_interrupted(self, kind: int) -> None:
        """
        The kernel may say that a dump is not whole with any message, the last one included.
        """
        with pytest.raises(InterruptedReadError):
            decoded(EXAMPLE + netlink(kind, b"\x02" + bytes(71), flags=0x12))


class TestEnd:
    """
    How a dump ends.
    """

    def test_empty(self) -> None:
        """
        Nothing received is nothing, and no end.
        """
        assert decode(memoryview(b""), SEQUENCE, 0.0) == Batch((), done=False)

    @pytest.mark.parametrize("payload", [b"", bytes(2), bytes(4), bytes(20)])
    def test_done(self, payload: bytes) -> None:
        """
        NLMSG_DONE ends the dump, alone or behind connections, with a status or without.
        """
        assert decode(memoryview(netlink(DONE, payload)), SEQUENCE, 0.0) == Batch((), done=True)
        assert agree(EXAMPLE + netlink(DONE, payload))
        assert not decode(memoryview(EXAMPLE), SEQUENCE, 0.0).done

    def test_done_amid_connections(self) -> None:
        """
        What lies behind the end in one batch is not lost.
        """
        batch = decode(memoryview(EXAMPLE + netlink(DONE, bytes(4)) + EXAMPLE), SEQUENCE, 0.0)
        assert (batch.done, sum(map(len, batch.tables))) == (True, 2)

    def test_noop(self) -> None:
        """
        NLMSG_NOOP says nothing.
        """
        assert decoded(netlink(NOOP) + EXAMPLE + netlink(NOOP, bytes(72))) == decoded(EXAMPLE)

    @pytest.mark.parametrize("kind", [DONE, ERROR])
    @pytest.mark.parametrize("code", [errno.EPERM, errno.ENOENT, errno.ENOBUFS, 4095])
    def test_error(self, kind: int, code: int) -> None:
        """
        An error number comes out as OSError, from NLMSG_ERROR and from the end of a dump.
        """
        with pytest.raises(OSError, match=r"\w") as caught:
            decoded(EXAMPLE + netlink(kind, struct.pack("=i", -code) + bytes(20)))
        assert caught.value.errno == code

    @pytest.mark.parametrize("kind", [DONE, ERROR])
    def test_number_that_is_no_error(self, kind: int) -> None:
        """
        A status below all error numbers is refused, not looked up.
        """
        with pytest.raises(DecodeError, match="-2147483648"):
            decoded(netlink(kind, struct.pack("=i", -(1 << 31))))

    @pytest.mark.parametrize("payload", [b"", bytes(3), bytes(20), struct.pack("=i", 5)])
    def test_acknowledgement(self, payload: bytes) -> None:
        """
        NLMSG_ERROR without an error acknowledges what was not asked for.
        """
        with pytest.raises(DecodeError, match="acknowledgement"):
            decoded(netlink(ERROR, payload))

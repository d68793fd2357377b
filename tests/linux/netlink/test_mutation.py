"""
Corrupted real dumps: the decoder rejects them or returns the same rows as the reference.
"""

import struct
from collections.abc import Callable
from functools import lru_cache

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tests.linux.netlink.agreement import agree
from tests.linux.netlink.capture import messages
from tests.linux.netlink.synthetic import CAPTURES, CGROUP_ID, FIXED, INFO, attribute

Mutation = Callable[[st.DrawFn, bytes], bytes]

DUMPS = [path.read_bytes() for path in CAPTURES]

# The same examples in each run, so that no run fails by chance.
reproducible = settings(
    max_examples=5 * settings().max_examples,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def rearranged(draw: st.DrawFn, dump: bytes) -> bytes:
    """
    Messages are missing, repeated, or in another order.
    """
    return b"".join(draw(st.lists(st.sampled_from(messages(dump)), max_size=60)))


def with_other_attributes(draw: st.DrawFn, dump: bytes) -> bytes:
    """
    Attributes are missing, repeated, in another order, or have another length or kind.
    """
    changed = messages(dump)
    for place in draw(st.sets(st.integers(0, max(len(changed) - 1, 0)), min_size=1, max_size=5)):
        if place < len(changed) and len(changed[place]) > FIXED:
            changed[place] = _rebuilt(draw, changed[place])
    return b"".join(changed)


def flipped_where_it_matters(draw: st.DrawFn, dump: bytes) -> bytes:
    """
    A few bits of headers (lengths, types, address families) are flipped.
    """
    if not dump:
        return dump
    bits = st.tuples(st.sampled_from(_headers(dump)), st.integers(0, 7))
    return _flip(dump, draw(st.lists(bits, min_size=1, max_size=4)))


def flipped(draw: st.DrawFn, dump: bytes) -> bytes:
    """
    A few bits anywhere are flipped.
    """
    if not dump:
        return dump
    bits = st.tuples(st.integers(0, len(dump) - 1), st.integers(0, 7))
    return _flip(dump, draw(st.lists(bits, min_size=1, max_size=8)))


def shifted(draw: st.DrawFn, dump: bytes) -> bytes:
    """
    Some bytes are replaced by more or by fewer.
    """
    start = draw(st.integers(0, len(dump)))
    return dump[:start] + draw(st.binary(max_size=64)) + dump[start + draw(st.integers(0, 64)) :]


def truncated(draw: st.DrawFn, dump: bytes) -> bytes:
    """
    The dump is cut at any byte.
    """
    return dump[: draw(st.integers(0, len(dump)))]


MUTATIONS = (
    # those that need valid messages first
    rearranged,
    with_other_attributes,
    flipped_where_it_matters,
    flipped,
    shifted,
    truncated,
)


def _rebuilt(draw: st.DrawFn, message: bytes) -> bytes:
    kept = draw(st.lists(st.sampled_from(_attributes(message)), max_size=8))
    payloads = b""
    for start, length in kept:
        kind, payload = message[start + 2], message[start + 4 : start + length]
        match draw(st.sampled_from(["whole", "whole", "longer", "shorter", "other"])):
            case "longer":
                payload += draw(st.binary(min_size=1, max_size=40))
            case "shorter":
                payload = payload[: draw(st.integers(0, len(payload)))]
            case "other":
                kind = draw(st.sampled_from([INFO, CGROUP_ID, 0, 77, INFO | 0x8000]))
        payloads += attribute(kind, payload)
    return struct.pack("=I", FIXED + len(payloads)) + message[4:FIXED] + payloads


def _attributes(message: bytes) -> list[tuple[int, int]]:
    """
    Start and length of each attribute of a valid message.
    """
    found: list[tuple[int, int]] = []
    start = FIXED
    while start < len(message):
        (length,) = struct.unpack_from("=H", message, start)
        found.append((start, length))
        start += length + -length % 4
    return found


@lru_cache(maxsize=64)
def _headers(dump: bytes) -> list[int]:
    """
    The bytes that are part of any header, or an address family.
    """
    found: list[int] = []
    position = 0
    for message in messages(dump):
        found += range(position, position + 17)
        for start, _ in _attributes(message):
            found += range(position + start, position + start + 4)
        position += len(message)
    return found


def _flip(dump: bytes, bits: list[tuple[int, int]]) -> bytes:
    changed = bytearray(dump)
    for byte, bit in bits:
        changed[byte] ^= 1 << bit
    return bytes(changed)


def holds(data: st.DataObject, mutations: tuple[Mutation, ...]) -> None:
    """
    Assert that both decoders agree on a recorded dump after these mutations.
    """
    dump = data.draw(st.sampled_from(DUMPS))
    for mutate in mutations:
        dump = data.draw(st.composite(mutate)(dump))
    event("read" if agree(dump) else "refused")


@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda mutate: mutate.__name__)
@given(data=st.data())
@reproducible
def test_one_mutation(mutate: Mutation, data: st.DataObject) -> None:
    """
    Both decoders agree on a dump with one kind of corruption.
    """
    holds(data, (mutate,))


@given(data=st.data(), chosen=st.sets(st.integers(0, len(MUTATIONS) - 1), min_size=2))
@reproducible
def test_several_mutations(chosen: set[int], data: st.DataObject) -> None:
    """
    Both decoders agree on a dump with several kinds of corruption.
    """
    holds(data, tuple(MUTATIONS[number] for number in sorted(chosen)))

"""
Comparison of the exporter's decoder and the reference decoder on the same bytes.
"""

from collections import Counter

import pytest

from exporter.linux.netlink.decode import decode
from exporter.linux.netlink.layout import DecodeError
from exporter.model import InterruptedReadError
from tests.linux.netlink import reference
from tests.linux.netlink.capture import SEQUENCE
from tests.linux.netlink.reference import RefusedError, Row

DOCUMENTED_ERRORS = (DecodeError, InterruptedReadError, OSError)


def decoded(data: bytes) -> list[Row]:
    """
    The rows of a batch from the exporter's decoder.
    """
    return reference.rows(decode(memoryview(data), SEQUENCE, 0.0).tables)


def agree(data: bytes) -> bool:
    """
    Assert that both decoders reject a batch or return the same rows. Returns whether they accept
    it.

    The order of rows may differ, but no row may be lost or repeated.
    """
    try:
        rows, done = reference.decode(data, SEQUENCE)
    except RefusedError:
        with pytest.raises(DOCUMENTED_ERRORS):
            decode(memoryview(data), SEQUENCE, 0.0)
        return False
    batch = decode(memoryview(data), SEQUENCE, 0.0)
    assert Counter(reference.rows(batch.tables)) == Counter(rows)
    assert batch.done == done
    return True

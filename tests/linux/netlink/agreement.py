"""
The exporter's decoder and the reference, given the same bytes.
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
    What the exporter's decoder makes of a batch.
    """
    return reference.rows(decode(memoryview(data), SEQUENCE, 0.0).tables)


def agree(data: bytes) -> bool:
    """
    Assert that both decoders refuse a batch or read the same of it; whether they read it.

    Their order of the connections may differ, but neither loses nor repeats any.
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

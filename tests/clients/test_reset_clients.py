"""
Real clients whose hanging connections are ended by `reset --apply`.
"""

from pathlib import Path

import pytest

from tests.clients.registry import BUILD
from tests.clients.reset_clients import LOGGED_WITHIN, STILL, recover, table
from tests.e2e.servers import PostgreSQL
from tests.lab import LAB_MARKS

pytestmark = [*LAB_MARKS, pytest.mark.timeout(300), pytest.mark.timing]

PROMPT = 3.0
"""Seconds within which a client notices that its connection has ended."""
CANNOT_RECONNECT = {"psycopg", "java-pgjdbc", "websockets", "ssh"}
"""Single connections, which their libraries do not reopen."""


def test_clients(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Exactly the connections of clients that hang are ended. Each of these clients gets an error at
    once, or repeats the request itself; the next request works, where the library reconnects.
    """
    if not (BUILD / "go_client").exists():
        pytest.skip("needs the clients: make test installs them, as root or with sudo")
    with PostgreSQL.installed() as postgresql:
        recoveries, hanging = recover(tmp_path, postgresql)
    with capsys.disabled():
        print(f"\n{table(recoveries)}")
    assert {each.client for each in recoveries if each.ended} == hanging
    assert len(hanging) > len(recoveries) / 2
    for each in recoveries:
        if each.ended:
            assert each.answer != STILL
            # Otherwise the request succeeded on a new connection, while the old one hung.
            assert -LOGGED_WITHIN < each.after < PROMPT or each.answer == "ok", each
        if each.client not in CANNOT_RECONNECT:
            assert each.again == "ok", each

"""
Real clients behind a NAT that forgets idle connections, with and without `protect`.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.client_site import opened
from tests.clients.deaths import watched
from tests.clients.registry import BUILD
from tests.clients.scaled import expect_ok
from tests.e2e.protecting import config_with, protect
from tests.e2e.servers import PostgreSQL
from tests.lab import LAB_MARKS, nat_lab

pytestmark = [*LAB_MARKS, pytest.mark.timeout(300), pytest.mark.timing]

TIMEOUT = 8
IDLE = 3 * TIMEOUT
STARTS_IN = 1.0
"""Seconds that the command takes to start."""
ANSWERS_WITHIN = 60.0
WITHOUT_KEEPALIVE = {"requests", "psycopg", "psycopg_pool", "asyncpg", "java-pgjdbc"}
"""Clients that keep idle connections, and rely on settings of others for keepalive."""


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    """
    The PostgreSQL that is installed.
    """
    if not (BUILD / "go_client").exists():
        pytest.skip("needs the clients: make test installs them, as root or with sudo")
    with PostgreSQL.installed() as found:
        yield found


@pytest.mark.parametrize("share", [None, 0.1, 0.6, 0.9])
def test_clients(postgresql: PostgreSQL, share: float | None) -> None:
    """
    Connections that die without protect survive if it runs at this share of the timeout, and the
    clients do not notice.
    """
    with (
        tempfile.TemporaryDirectory(prefix="protected-") as directory,
        nat_lab(idle_timeout=TIMEOUT) as lab,
        opened(lab, Path(directory), postgresql, idle=0) as site,
    ):
        lab.client.sysctl("net.ipv4.tcp_retries2", 5)
        for _ in range(2):  # the first request takes some clients long
            expect_ok(site)
        used = time.monotonic()
        with watched(site) as deaths:
            if share is not None:
                time.sleep(max(0, share * TIMEOUT - STARTS_IN))
                done = protect(lab.client, config_with(TIMEOUT), "--apply")
                assert time.monotonic() - used < TIMEOUT
                assert done.code == 0
            before = site.sockets()
            time.sleep(used + IDLE - time.monotonic())
            open_now = {name: before[name].keys() & ports for name, ports in site.sockets().items()}
            died = {name for name in open_now if deaths.count(name)}
            answers = {name: each.result(ANSWERS_WITHIN) for name, each in site.use().items()}
    if share is None:
        assert died >= WITHOUT_KEEPALIVE
        return
    assert not died
    assert [name for name in sorted(WITHOUT_KEEPALIVE) if not open_now[name]] == []
    assert set(answers.values()) == {"ok"}

"""
Each fix in docs/long-requests.md: without it a request hangs until the client's timeout, with it
the answer arrives.
"""

from pathlib import Path

import pytest

from tests.clients.long_requests import (
    FIXED,
    OKHTTP,
    PLAIN,
    PYTHON,
    SYSCTLS,
    LongRequest,
    make_long_requests,
)
from tests.clients.registry import BUILD
from tests.lab import LAB_MARKS

pytestmark = [*LAB_MARKS, pytest.mark.timeout(180), pytest.mark.timing]

CLIENTS = (*PYTHON, "node-http", "node-undici", "java-okhttp")
Requests = dict[tuple[str, str], LongRequest]


@pytest.fixture(scope="module")
def requests(tmp_path_factory: pytest.TempPathFactory) -> Requests:
    """
    All clients, at the same time.
    """
    if not (BUILD / "go_client").exists() or not all(map(Path.exists, OKHTTP)):
        pytest.skip("needs the clients: make test installs them, as root or with sudo")
    return make_long_requests(tmp_path_factory.mktemp("java"))


@pytest.mark.parametrize("client", CLIENTS)
def test_without_fix(requests: Requests, client: str) -> None:
    """
    The answer is lost. Keepalive is off or, for undici, later than the NAT's timeout.
    """
    found = requests[client, PLAIN]
    assert "timeout" in found.answer.lower()
    late = {"on": True, "time_seconds": 60}
    expected = late if client == "node-undici" else {"on": False}
    assert {key: found.keepalive[key] for key in expected} == expected


@pytest.mark.parametrize("client", [each for each in CLIENTS if each != "botocore"])
def test_with_fix(requests: Requests, client: str) -> None:
    """
    The answer arrives. The socket has the times of the fix; Node.js has its own interval and number
    of probes.
    """
    found = requests[client, FIXED]
    assert found.answer == "ok"
    assert found.keepalive["exact"]
    assert found.keepalive["on"]
    times = [found.keepalive[key] for key in ("time_seconds", "interval_seconds", "probes")]
    assert times == ([2, 1, 10] if client.startswith("node") else [2, 1, 8])


def test_sysctls(requests: Requests) -> None:
    """
    For botocore the sysctls must be correct, too.
    """
    alone, both = requests["botocore", FIXED], requests["botocore", SYSCTLS]
    assert "timeout" in alone.answer.lower()
    assert (alone.keepalive["on"], alone.keepalive["time_seconds"]) == (True, 7200)
    assert both.answer == "ok"
    assert (both.keepalive["on"], both.keepalive["time_seconds"]) == (True, 2)

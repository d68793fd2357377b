"""
Arbitrary requests never cause an error 500, and the next client is served.
"""

import asyncio
import logging
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.collectors.operating_system import SUPPORTED
from exporter.collectors.state import State
from exporter.web.access import AccessControl
from exporter.web.app import WebOptions, make_app
from exporter.web.connections_service import ConnectionsService
from tests.web.conftest import Latest, serving
from tests.web.secured import Address, get

pytestmark = pytest.mark.system

_PATHS = ["/", "/metrics", "/-/healthy", "/-/ready", "/-/reload", "/-/static/style.css", "/-/"]
if SUPPORTED:
    _PATHS += ["/connections", "/api/v1/connections"]
_MOMENT = 0.2
_TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=255), max_size=12)
_NUMBER = st.integers(-5, 10**12).map(str)
_KEYS = st.sampled_from(["name[]", "sort", "all", "limit", "offset", "remote", "path", "workload"])
_VALUES = st.sampled_from(
    ["tcp_keepalive_probes", "idle", "1", "10.0.0.0/8", ":443", "none", "*", "[", "%00", "%ff", "&"]
)
_QUERIES = st.lists(st.tuples(_KEYS | _TEXT, _VALUES | _NUMBER | _TEXT), max_size=4).map(
    lambda pairs: "&".join(f"{key}={value}" for key, value in pairs)
)
_TARGETS = st.one_of(
    st.tuples(st.sampled_from(_PATHS) | _TEXT.map(lambda text: f"/{text}"), _QUERIES).map("?".join),
    st.sampled_from(
        ["*", "http://exporter/metrics", "//", "/%2e%2e/etc/passwd", "/%", "exporter:1"]
    ),
    _TEXT,
)
_METHODS = st.sampled_from(
    ["GET", "HEAD", "POST", "PUT", "OPTIONS", "CONNECT", "TRACE", "get", "X"]
)
_VERSIONS = st.sampled_from(["HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "http/1.1", ""])
_NAMES = st.sampled_from(
    [
        *("Accept", "Accept-Encoding", "Authorization", "Connection", "Content-Length", "Cookie"),
        *("Expect", "Host", "If-None-Match", "Range", "Transfer-Encoding", "Upgrade", "X"),
    ]
)
_HEADERS = st.lists(
    st.tuples(
        _NAMES | _TEXT,
        _TEXT
        | _NUMBER
        | st.sampled_from(
            [
                "application/openmetrics-text;version=x",
                "application/openmetrics-text;version=1.0.0;escaping=no",
                "application/openmetrics-text; version=99999.9",
                "text/plain;version=1.0.0;q=1",
                *("gzip", "deflate", "close", "keep-alive", "chunked", "100-continue", "websocket"),
                "Basic QTpC",
            ]
        ),
    ),
    max_size=5,
)
_PROPER_HEADERS = [
    "Accept: application/openmetrics-text;version=x",
    "Accept: application/openmetrics-text;version=1.0.0;escaping=no",
    "Accept: application/openmetrics-text; version=99999.9",
    "Accept: text/plain;version=1.0.0;q=1",
    "Accept-Encoding: gzip",
    "Authorization: Basic QTpC",
    "Connection: keep-alive",
    "Connection: Upgrade",
    "Expect: 100-continue",
    "Expect: the unexpected",
    "If-None-Match: *",
    "Range: bytes=5-1",
    "Upgrade: websocket",
]
_BODIES = st.sampled_from(["", "body", "5\r\nhello\r\n0\r\n\r\n", "\0" * 100])


@st.composite
def proper_requests(draw: st.DrawFn) -> bytes:
    """
    Valid requests with unusual content.
    """
    method = draw(
        st.sampled_from(["GET", "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
    )
    pairs = draw(st.lists(st.tuples(_KEYS, _VALUES | _NUMBER | st.text(max_size=12)), max_size=3))
    query = urlencode(pairs, errors="surrogatepass")
    headers = draw(st.lists(st.sampled_from(_PROPER_HEADERS), max_size=3, unique=True))
    lines = [f"{method} {draw(st.sampled_from(_PATHS))}?{query} HTTP/1.1", *headers]
    return "\r\n".join([*lines, "Host: 127.0.0.1", "", ""]).encode()


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """
    Text that resembles a request.
    """
    line = " ".join((draw(_METHODS), draw(_TARGETS), draw(_VERSIONS)))
    lines = [line, *(f"{name}: {value}" for name, value in draw(_HEADERS))]
    return ("\r\n".join(lines) + "\r\n\r\n" + draw(_BODIES)).encode("latin1")


_CONVERSATIONS = st.one_of(
    st.lists(proper_requests(), min_size=1, max_size=3).map(b"".join),
    requests(),
    st.binary(max_size=200),
)


@pytest.fixture(scope="module")
def latest() -> Latest:
    """
    The latest snapshot.
    """
    return Latest()


@pytest.fixture
def faults(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """
    Fails if an error is logged.
    """
    found: list[str] = []
    yield found
    found += [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert found == []


async def send(address: Address, data: bytes) -> bytes:
    """
    Everything received, until nothing arrives for _MOMENT seconds.
    """
    reader, writer = await asyncio.open_connection(*address)
    answer = b""
    try:
        writer.write(data)
        while received := await asyncio.wait_for(reader.read(1 << 20), _MOMENT):
            answer += received
    except (ConnectionError, TimeoutError):
        pass
    finally:
        writer.close()
    return answer


@pytest.mark.usefixtures("faults")
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(_CONVERSATIONS, min_size=1, max_size=10))
def test_anything(latest: Latest, conversations: list[bytes]) -> None:
    """
    Whatever several clients send, there is no status 500, no traceback, and no hang.
    """

    async def talk() -> list[bytes]:
        access = AccessControl()
        service = ConnectionsService(State()) if SUPPORTED else None
        options = WebOptions(enable_lifecycle=True, connections_insecure=True)
        app = make_app(latest.sources, options, access, lambda: None, service)
        async with serving(app, access) as address:
            answers = await asyncio.gather(*(send(address, data) for data in conversations))
            assert await get(address) == "HTTP/1.1 200 OK"
            return answers

    for answer in asyncio.run(talk()):
        assert not answer or answer.startswith(b"HTTP/"), answer[:100]
        assert b" 500 " not in answer[:20], answer[:500]
        assert b"Traceback" not in answer
        assert b"\r\nServer:" not in answer

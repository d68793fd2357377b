"""
Clients that are slow, numerous or send malformed requests.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.web.conftest import Latest, serving
from tests.web.secured import Address, get

pytestmark = pytest.mark.system

OK = "HTTP/1.1 200 OK"
GET = b"GET /-/healthy HTTP/1.1\r\nHost: exporter\r\n\r\n"


@pytest.fixture
async def address(latest: Latest) -> AsyncIterator[Address]:
    """
    The address of the served application.
    """
    async with serving(latest.app()) as address:
        yield address


@pytest.fixture
def short_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Shorten the timeout for requests.
    """
    monkeypatch.setattr("exporter.web.client_connection.REQUEST_TIMEOUT", 0.5)


@pytest.fixture
def connection_limit(monkeypatch: pytest.MonkeyPatch) -> int:
    """
    The maximum number of connections, lower than by default.
    """
    monkeypatch.setattr("exporter.web.server.MOST_CONNECTIONS", 5)
    return 5


async def talk(address: Address, *parts: bytes, pause: float = 0.0) -> bytes:
    """
    The response until the server closes the connection.
    """
    reader, writer = await asyncio.open_connection(*address)
    try:
        for part in parts:
            writer.write(part)
            await asyncio.sleep(pause)
            if reader.at_eof() or reader.exception() or writer.is_closing():  # or by a reset
                break
        return await asyncio.wait_for(reader.read(), 10)
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.usefixtures("short_timeout")
@pytest.mark.parametrize("beginning", [b"", b"GET", b"GET / HTTP/1.1\r\nHost: exporter\r\n"])
async def test_no_request(address: Address, beginning: bytes) -> None:
    """
    A connection without a complete request is closed.
    """
    assert await talk(address, beginning) == b""


@pytest.mark.usefixtures("short_timeout")
async def test_trickle(address: Address) -> None:
    """
    Sending single bytes slowly does not extend the deadline.
    """
    slow = b"GET / HTTP/1.1\r\nHost: exporter\r\nX: " + b"a" * 1000
    started = asyncio.get_running_loop().time()
    assert await talk(address, *(bytes([byte]) for byte in slow), pause=0.05) == b""
    assert asyncio.get_running_loop().time() - started < 0.05 * len(slow)


@pytest.mark.usefixtures("short_timeout")
async def test_trickle_after_request(address: Address) -> None:
    """
    Every request has the same deadline. Between requests, a connection may be idle for longer.
    """
    reader, writer = await asyncio.open_connection(*address)
    for _ in range(2):
        writer.write(GET)
        assert (await reader.readline()).decode().strip() == OK
        await reader.readuntil(b"healthy.\n")
        await asyncio.sleep(0.8)
    writer.write(b"GET / HTTP/1.1\r\n")
    assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()


async def test_client_that_does_not_read(latest: Latest, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A connection is closed if the client does not read the response in time.
    """
    monkeypatch.setattr("exporter.web.server.ANSWER_TIMEOUT", 0.3)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        async with serving(latest.app(), listener=listener) as address:
            client.connect(address)
            client.setblocking(False)
            for _ in range(40):  # more than fits into all buffers
                client.send(b"GET /metrics HTTP/1.1\r\nHost: exporter\r\n\r\n")
            await asyncio.sleep(1)
            answers = b""
            with contextlib.suppress(ConnectionResetError):
                while received := await asyncio.get_running_loop().sock_recv(client, 1 << 20):
                    answers += received
            assert 0 < answers.count(b"HTTP/1.1 200 OK") < 40


async def test_longest_idle_is_closed(address: Address, connection_limit: int) -> None:
    """
    At the limit, the connection that was idle for the longest time is closed.
    """
    idle = [await asyncio.open_connection(*address) for _ in range(connection_limit)]
    for reader, writer in idle[::-1]:
        writer.write(GET)
        await reader.readuntil(b"healthy.\n")
    assert await get(address) == OK
    reader, writer = idle.pop()
    assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()
    for reader, writer in idle[:-1]:
        writer.write(GET)
        assert (await reader.readline()).decode().strip() == OK
    for _, writer in idle:
        writer.close()


async def test_flood(address: Address, connection_limit: int) -> None:
    """
    A flood of connections does not lock out others, whatever it sends.
    """
    for words in (b"", b"GET / HT", GET):
        flood = [socket.create_connection(address) for _ in range(10 * connection_limit)]
        for client in flood:
            client.send(words)
        assert await get(address) == OK
        for client in flood:
            client.close()


async def test_all_busy(latest: Latest, connection_limit: int) -> None:
    """
    A new client is served even if all other connections are busy sending responses.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    async with serving(latest.app(), listener=listener) as address:
        flood = []
        for _ in range(connection_limit):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(address)
            client.send(b"GET /metrics HTTP/1.1\r\nHost: exporter\r\n\r\n" * 40)
            flood.append(client)
        await asyncio.sleep(0.3)
        assert await get(address) == OK
        for client in flood:
            client.close()


async def test_client_that_leaves(latest: Latest, caplog: pytest.LogCaptureFixture) -> None:
    """
    Clients that disconnect early are not logged above debug level.
    """
    async with serving(latest.app()) as address:
        for _ in range(20):
            with socket.create_connection(address) as client:
                client.send(b"GET /metrics HTTP/1.1\r\nHost: exporter\r\n\r\n" * 3)
                client.shutdown(socket.SHUT_WR)
            await asyncio.sleep(0.01)
        assert await get(address) == OK
    assert [record for record in caplog.records if record.levelno > logging.DEBUG] == []


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """
    Fails if anything above debug level is logged.
    """
    lines: list[str] = []
    yield lines
    lines += [record.message for record in caplog.records if record.levelno > logging.DEBUG]
    assert lines == []


@pytest.mark.usefixtures("logged")
@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a TLS ClientHello
        b"GET / HTTP/1.1\r\nHost\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: exporter\r\n\r\n",
        b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: exporter\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: exporter\r\nX: " + b"a" * 9000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(200)) + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: exporter\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ids=lambda value: repr(value[:40]),
)
async def test_malformed(address: Address, data: bytes) -> None:
    """
    A malformed request gets a short 400, and is not logged above debug level.
    """
    answer = await talk(address, data)
    assert answer == b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\nHost: exporter\r\nContent-Length: 5\r\n\r\nhello",
        b"GET / HTTP/1.1\r\nHost: exporter\r\nContent-Length: 1000000000\r\n\r\nhello",
        b"GET / HTTP/1.1\r\nHost: e\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"POST /-/reload HTTP/1.1\r\nHost: exporter\r\nContent-Length: 5\r\n\r\nhello",
    ],
    ids=lambda value: repr(value[:70]),
)
async def test_bodies_are_rejected(address: Address, request_: bytes) -> None:
    """
    Requests with a body get 413.
    """
    answer = await talk(address, request_)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"hello" not in answer


async def test_pipelined(address: Address) -> None:
    """
    Pipelined requests are all answered.
    """
    last = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    answers = await talk(address, GET * 50 + last)
    assert answers.count(b"tcp-keepalive-exporter is healthy.\n") == 51

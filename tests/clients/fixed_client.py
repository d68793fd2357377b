"""
Python's client libraries with the fixes of exporter/remedies/clients.yml.

Usage: `python -m tests.clients.fixed_client LIBRARY ADDRESS TIME`, with the keepalive time in
seconds.
"""

import socket
import sys
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any

from tests.clients.program import answer
from tests.clients.python_client import Use, _on_a_loop

Option = tuple[int, int, int]


def options(time: int) -> list[Option]:
    """
    The socket options of the fixes, with this time and interval.
    """
    return [
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, time),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, time),
    ]


def _requests(address: str, time: int) -> Use:
    requests = import_module("requests")

    class Adapter(requests.adapters.HTTPAdapter):  # type: ignore[misc,name-defined]
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, socket_options=options(time), **kwargs)

    session = requests.Session()
    session.mount("http://", Adapter())
    return lambda: session.get(f"http://{address}/").raise_for_status()


def _urllib3(address: str, time: int) -> Use:
    pool = import_module("urllib3").PoolManager(socket_options=options(time))
    return lambda: pool.request("GET", f"http://{address}/")


def _httpx(address: str, time: int) -> Use:
    httpx = import_module("httpx")
    client = httpx.Client(transport=httpx.HTTPTransport(socket_options=options(time)))
    return lambda: client.get(f"http://{address}/").raise_for_status()


def _psycopg(address: str, time: int) -> Use:
    keepalive = f"keepalives=1 keepalives_idle={time} keepalives_interval={time} keepalives_count=3"
    target = f"host={address} user=postgres dbname=postgres {keepalive}"
    connection = import_module("psycopg").connect(target, autocommit=True)
    return lambda: connection.execute("select 1")


def _redis(address: str, time: int) -> Use:
    times = {socket.TCP_KEEPIDLE: time, socket.TCP_KEEPINTVL: time, socket.TCP_KEEPCNT: 3}
    redis = import_module("redis").Redis(
        address, socket_keepalive=True, socket_keepalive_options=times
    )
    ping: Use = redis.ping
    return ping


def _pycurl(address: str, time: int) -> Use:
    pycurl = import_module("pycurl")
    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, f"http://{address}/")
    curl.setopt(pycurl.WRITEFUNCTION, lambda _: None)
    curl.setopt(pycurl.TCP_KEEPALIVE, 1)
    curl.setopt(pycurl.TCP_KEEPIDLE, time)
    curl.setopt(pycurl.TCP_KEEPINTVL, time)
    perform: Use = curl.perform
    return perform


def _aiohttp(address: str, time: int) -> Use:
    async def make(url: str) -> Callable[[], Awaitable[Any]]:
        aiohttp = import_module("aiohttp")

        def connect(info: Any) -> socket.socket:
            family, kind, protocol, _, _ = info
            made = socket.socket(family, kind, protocol)
            for option in options(time):
                made.setsockopt(*option)
            return made

        connector = aiohttp.TCPConnector(socket_factory=connect)
        session = aiohttp.ClientSession(connector=connector)

        async def use() -> None:
            async with session.get(url) as response:
                await response.read()

        return use

    return _on_a_loop(make, f"http://{address}/")


def _asyncpg(address: str, time: int) -> Use:
    async def make(host: str) -> Callable[[], Awaitable[Any]]:
        pool = await import_module("asyncpg").create_pool(
            host=host,
            user="postgres",
            min_size=0,
            max_size=1,
            ssl=False,
            max_inactive_connection_lifetime=time,
        )

        async def use() -> None:
            await pool.execute("select 1")

        return use

    return _on_a_loop(make, address)


_MAKERS = {
    "requests": _requests,
    "urllib3": _urllib3,
    "httpx": _httpx,
    "pycurl": _pycurl,
    "aiohttp": _aiohttp,
    "psycopg": _psycopg,
    "redis": _redis,
    "asyncpg": _asyncpg,
}


if __name__ == "__main__":
    library, server, seconds = sys.argv[1:]
    answer(lambda: _MAKERS[library](server, int(seconds)))

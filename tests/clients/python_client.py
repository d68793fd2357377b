"""
Python's client libraries with their defaults.

Usage: `python -m tests.clients.python_client LIBRARY ADDRESS`; with `version` as address, it prints
the library's version.
"""

import asyncio
import contextlib
import sys
import urllib.request
from collections.abc import Awaitable, Callable
from importlib import import_module, metadata
from typing import Any

from tests.clients.program import answer

Use = Callable[[], object]


def _requests(url: str) -> Use:
    session = import_module("requests").Session()
    return lambda: session.get(url, verify=False).raise_for_status()


def _httpx(url: str) -> Use:
    client = import_module("httpx").Client(verify=False, timeout=None)
    return lambda: client.get(url).raise_for_status()


def _urllib3(url: str) -> Use:
    pool = import_module("urllib3").PoolManager(cert_reqs="CERT_NONE")
    return lambda: pool.request("GET", url)


def _pycurl(url: str) -> Use:
    pycurl = import_module("pycurl")
    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, url)
    curl.setopt(pycurl.SSL_VERIFYPEER, 0)
    curl.setopt(pycurl.SSL_VERIFYHOST, 0)
    curl.setopt(pycurl.WRITEFUNCTION, lambda _: None)
    perform: Use = curl.perform
    return perform


def _proxied(url: str) -> Use:
    """
    A new connection each time to a proxy on this host, which keeps those to the server.
    """
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def use() -> None:
        with opener.open(url) as response:
            response.read()

    return use


def _psycopg(address: str) -> Use:
    target = f"host={address} user=postgres dbname=postgres"
    connection = import_module("psycopg").connect(target, autocommit=True)
    return lambda: connection.execute("select 1")


def _psycopg_pool(address: str) -> Use:
    target = f"host={address} user=postgres dbname=postgres"
    pool = import_module("psycopg_pool").ConnectionPool(target, min_size=1, max_size=1, open=True)

    def use() -> None:
        with pool.connection() as connection:
            connection.execute("select 1")

    return use


def _redis(address: str) -> Use:
    ping: Use = import_module("redis").Redis(address).ping
    return ping


def _grpc(address: str) -> Use:
    grpc = import_module("grpc")
    call = grpc.insecure_channel(f"{address}:50051").unary_unary("/test.Echo/Echo")
    return lambda: call(b"hello")


def _on_a_loop(make: Callable[[str], Awaitable[Callable[[], Awaitable[Any]]]], target: str) -> Use:
    """
    A use of a library for asyncio, whose loop runs between requests too.
    """
    from threading import Thread  # noqa: PLC0415

    loop = asyncio.new_event_loop()
    Thread(target=loop.run_forever, daemon=True).start()
    use = asyncio.run_coroutine_threadsafe(_made(make, target), loop).result()
    return lambda: asyncio.run_coroutine_threadsafe(_awaited(use), loop).result()


async def _made(make: Callable[[str], Awaitable[Any]], target: str) -> Any:
    return await make(target)


async def _awaited(use: Callable[[], Awaitable[Any]]) -> Any:
    return await use()


async def _aiohttp(url: str) -> Callable[[], Awaitable[Any]]:
    session = import_module("aiohttp").ClientSession()

    async def use() -> None:
        async with session.get(url, ssl=False) as response:
            await response.read()

    return use


async def _asyncpg(address: str) -> Callable[[], Awaitable[Any]]:
    connect = import_module("asyncpg").create_pool
    pool = await connect(host=address, user="postgres", min_size=1, max_size=1, ssl=False)

    async def use() -> None:
        await pool.execute("select 1")

    return use


async def _websockets(address: str) -> Callable[[], Awaitable[Any]]:
    connection = await import_module("websockets").connect(f"ws://{address}:8765")

    async def use() -> None:
        await connection.send("hello")
        await connection.recv()

    return use


_MAKERS: dict[str, Callable[[str], Use]] = {
    "requests": lambda address: _requests(f"http://{address}/"),
    "requests-tls": lambda address: _requests(f"https://{address}/"),
    "httpx": lambda address: _httpx(f"http://{address}/"),
    "httpx-tls": lambda address: _httpx(f"https://{address}/"),
    "urllib3": lambda address: _urllib3(f"http://{address}/"),
    "pycurl": lambda address: _pycurl(f"http://{address}/"),
    "pycurl-tls": lambda address: _pycurl(f"https://{address}/"),
    "aiohttp": lambda address: _on_a_loop(_aiohttp, f"http://{address}/"),
    "aiohttp-tls": lambda address: _on_a_loop(_aiohttp, f"https://{address}/"),
    "psycopg": _psycopg,
    "psycopg_pool": _psycopg_pool,
    "asyncpg": lambda address: _on_a_loop(_asyncpg, address),
    "redis": _redis,
    "websockets": lambda address: _on_a_loop(_websockets, address),
    "grpcio": _grpc,
    "proxied": _proxied,
}


def main(name: str, target: str) -> None:
    """
    Run the client, or print the version of its library.
    """
    if target == "version":
        print(metadata.version(name.removesuffix("-tls")))
        return
    with contextlib.suppress(ModuleNotFoundError):
        import_module(name.removesuffix("-tls"))
    answer(lambda: _MAKERS[name](target))


if __name__ == "__main__":
    main(*sys.argv[1:])

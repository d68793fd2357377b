"""
A lab with all servers and all clients, each with its own server address, and an exporter.
"""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.clients.registry import CLIENTS, HAPROXY, NGINX, ClientProgram, ssh
from tests.clients.servers import Servers, start_proxies
from tests.e2e.servers import PostgreSQL
from tests.exporter_process import ROOT
from tests.lab import NatLab, Pair

_STARTS_WITHIN, _ENDS_WITHIN = 60.0, 20.0
ENDED = "ended"
"""The answer of a client whose program has ended."""

ADDRESSES = {
    name: f"203.0.113.{number}"
    for number, name in enumerate([*(client.name for client in CLIENTS), "ssh"], 21)
}
"""The address of each client's server."""


class RunningClient:
    """
    A client program, which makes a request for each line that it is sent.
    """

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._thread = ThreadPoolExecutor(1)
        self.ready = self._thread.submit(self._answer)

    def use(self) -> "Future[str]":
        """
        Make a request; the result is `ok`, `error` with the error's name, or ENDED.
        """
        return self._thread.submit(self._use)

    def _use(self) -> str:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip() or ENDED

    def end(self) -> None:
        """
        End the program, which closes its connections.
        """
        with contextlib.suppress(BrokenPipeError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        try:
            self._process.wait(_ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._thread.shutdown(wait=False)


class Site:
    """
    The servers and clients of one lab.
    """

    def __init__(
        self,
        lab: Pair,
        servers: Servers,
        clients: Mapping[str, RunningClient],
        proxies: "list[subprocess.Popen[str]]",
    ) -> None:
        self.lab = lab
        self.servers = servers
        self.clients = clients
        self._proxies = proxies

    def use(self) -> "dict[str, Future[str]]":
        """
        Make a request with each client.
        """
        return {name: client.use() for name, client in self.clients.items()}

    def sockets(self) -> "dict[str, dict[int, str]]":
        """
        Each client's established connections, by local port, as lines of ss.
        """
        argv = ["ss", "-Htno", "state", "established"]
        found: dict[str, dict[int, str]] = {name: {} for name in ADDRESSES}
        for line in self.lab.client.run(argv).stdout.splitlines():
            _, _, local, remote, *_ = line.split()
            address, _, _ = remote.rpartition(":")
            if name := client_of(address.strip("[]").removeprefix("::ffff:")):
                found[name][int(local.rpartition(":")[2])] = line
        return found

    def mapped(self) -> set[int] | None:
        """
        The clients' ports of the connections that the NAT knows; None without a NAT.
        """
        if not isinstance(self.lab, NatLab):
            return None
        listed = self.lab.nat.run(["conntrack", "-L", "-p", "tcp"]).stdout
        words = (line.partition("sport=")[2].split()[0] for line in listed.splitlines())
        return set(map(int, words))

    def listing(self, config: Path) -> list[dict[str, Any]]:
        """
        The connections that the command `connections` lists.
        """
        argv = [sys.executable, "-m", "exporter", "connections", f"--config.file={config}"]
        finished = self.lab.client.run([*argv, "--all", "--format=json"], cwd=ROOT, check=False)
        assert finished.stdout, finished.stderr
        rows: list[dict[str, Any]] = json.loads(finished.stdout)["connections"]
        return rows

    def end(self) -> None:
        """
        End all clients.
        """
        with ThreadPoolExecutor(len(self.clients)) as threads:
            list(threads.map(RunningClient.end, self.clients.values()))
        for proxy in self._proxies:
            proxy.terminate()


def client_of(remote: str) -> str | None:
    """
    The client whose server has this address.
    """
    return next((name for name, address in ADDRESSES.items() if address == remote), None)


@contextlib.contextmanager
def opened(lab: Pair, directory: Path, postgresql: PostgreSQL, idle: float) -> Iterator[Site]:
    """
    Start servers and clients, whose connections are opened by their first request.
    """
    for address in ADDRESSES.values():
        lab.server.ip(f"addr add {address}/24 dev eth0")
    servers = Servers(lab.server, directory / "servers", postgresql, idle)
    servers.start()
    proxies = start_proxies(lab.client, directory / "proxies", ADDRESSES[NGINX], ADDRESSES[HAPROXY])
    programs: list[ClientProgram] = [*CLIENTS, ssh(servers.ssh_key)]
    site = Site(
        lab,
        servers,
        {
            each.name: RunningClient(
                lab.client.start(
                    each.command(ADDRESSES[each.name]),
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                )
            )
            for each in programs
        },
        proxies,
    )
    for name, client in site.clients.items():
        assert client.ready.result(_STARTS_WITHIN) == "ready", name
    try:
        yield site
    finally:
        site.end()

"""
The clients, with the command that runs each one.
"""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.exporter_process import ROOT

BUILD = ROOT / "build/clients"
HERE = Path(__file__).parent
NGINX_PORT, HAPROXY_PORT, FRONT_PORT = 8001, 8002, 8080
"""Of the proxies on the client's host, and of HAProxy in front of the server's nginx."""

_JARS = f"{BUILD}:/usr/share/java/postgresql.jar"
_SSH_OPTIONS = (
    *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
    *("-o", "LogLevel=ERROR", "-o", "PasswordAuthentication=no", "-F", "none"),
)


@dataclass(frozen=True)
class ClientProgram:
    """
    A client; command is given the server's address, version is the command that prints its version.
    The name is also that of its path.
    """

    name: str
    command: Callable[[str], list[str]]
    version: list[str]

    def read_version(self) -> str:
        """
        The version, from what its command prints.
        """
        finished = subprocess.run(
            self.version, cwd=ROOT, capture_output=True, text=True, timeout=30, check=True
        )
        words = (finished.stdout + finished.stderr).replace("/", " ").replace("_", " ").split()
        numbers = (word.strip('",').removeprefix("go") for word in words)
        return next(word for word in numbers if word[:1].isdigit())


def _python(library: str) -> ClientProgram:
    argv = [sys.executable, "-m", "tests.clients.python_client", library]
    return ClientProgram(library, lambda address: [*argv, address], [*argv, "version"])


def _node(library: str, package: str | None = None) -> ClientProgram:
    program = str(HERE / "node_client.cjs")
    version = (
        f"console.log(require('{package}/package.json').version)"
        if package
        else "console.log(process.versions.node)"
    )
    environment = ["env", f"NODE_PATH={BUILD}/node_modules", "node"]
    return ClientProgram(
        f"node-{library}",
        lambda address: [*environment, program, library, address],
        [*environment, "-e", version],
    )


def _java(library: str) -> ClientProgram:
    # One processor and little memory, because many start at once.
    java = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx64m", "-cp", _JARS]
    version = ["java", "-version"]
    if library == "pgjdbc":
        version = ["dpkg-query", "--show", "--showformat=${Version}", "libpostgresql-jdbc-java"]
    return ClientProgram(
        f"java-{library.lower()}", lambda address: [*java, "JavaClient", library, address], version
    )


def _proxied(name: str, port: int, version: list[str]) -> ClientProgram:
    argv = [sys.executable, "-m", "tests.clients.python_client", "proxied"]
    return ClientProgram(name, lambda _: [*argv, f"http://127.0.0.1:{port}/"], version)


def ssh(key: Path) -> ClientProgram:
    """
    The client ssh, with this key.
    """
    remote = "echo ready; while read line; do echo ok; done"
    argv = ["ssh", *_SSH_OPTIONS, "-i", str(key)]
    return ClientProgram("ssh", lambda address: [*argv, f"root@{address}", remote], ["ssh", "-V"])


NGINX, HAPROXY = "nginx", "haproxy"
CLIENTS = (
    *map(_python, ("requests", "requests-tls", "httpx", "httpx-tls", "urllib3")),
    *map(_python, ("pycurl", "pycurl-tls", "aiohttp", "aiohttp-tls")),
    *map(_python, ("psycopg", "psycopg_pool", "asyncpg", "redis", "websockets", "grpcio")),
    _node("http"),
    _node("https"),
    _node("undici", "undici"),
    _node("pg", "pg"),
    _node("ioredis", "ioredis"),
    *map(_java, ("HttpClient", "HttpURLConnection", "pgjdbc")),
    ClientProgram("go-http", lambda address: [f"{BUILD}/go_client", address], ["go", "version"]),
    _proxied(NGINX, NGINX_PORT, ["nginx", "-v"]),
    _proxied(HAPROXY, HAPROXY_PORT, ["haproxy", "-v"]),
)
"""All but ssh, which needs a key."""

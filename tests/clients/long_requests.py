"""
Requests whose answers take longer than the NAT's idle timeout, with and without the fixes of
docs/long-requests.md.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.clients.client_site import RunningClient
from tests.clients.long_request_fixes import fix
from tests.clients.registry import BUILD, HERE
from tests.exporter_process import NO_CLOUD, ROOT
from tests.lab import Host, nat_labs

IDLE_TIMEOUT, ANSWER_AFTER = 5, 9.0
"""Seconds. The clients' own timeout is 14 s."""
_STARTS_WITHIN, _ENDS_WITHIN = 60.0, 30.0
_OPTIONS_AFTER = 3.0
"""Seconds until the clients have connected and set their options."""
_PORT = 8000
OKHTTP = (Path("/usr/share/java/okhttp.jar"), Path("/usr/share/java/okio.jar"))
_ANSWER = json.dumps(
    {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "any",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": "hello"},
            }
        ],
    }
).encode()
PLAIN, FIXED = "plain", "fixed"
PYTHON = ("httpx", "urllib3", "requests", "openai", "botocore")
SYSCTLS = "sysctls"
"""The name of the host whose sysctls are correct."""


@dataclass(frozen=True)
class LongRequest:
    """
    What a client got, and its socket's keepalive as listed by `connections` while it waited.
    """

    answer: str
    keepalive: Mapping[str, Any]


class _SlowServer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """
        Answer late.
        """
        self.rfile.read(int(self.headers.get("content-length", 0)))
        time.sleep(ANSWER_AFTER)
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(_ANSWER)))
        self.end_headers()
        self.wfile.write(_ANSWER)

    do_POST = do_GET  # noqa: N815  named by BaseHTTPRequestHandler

    def log_message(self, *_: object) -> None:
        """
        Print nothing.
        """


def commands(url: str, directory: Path) -> dict[tuple[str, str], list[str]]:
    """
    The commands by client, and whether it is fixed.
    """
    module = "tests.clients.long_request_client"
    found = {
        (name, kind): [sys.executable, "-m", module, name, url, kind]
        for name in PYTHON
        for kind in (PLAIN, FIXED)
    }
    environment = ["env", f"NODE_PATH={BUILD}/node_modules", "node"]
    for number, name in enumerate(("http", "undici")):
        argv = [*environment, str(HERE / "long_request.cjs"), name, url]
        found["node-" + name, PLAIN] = [*argv, ""]
        found["node-" + name, FIXED] = [*argv, fix("Node.js", "js", number)]
    source = directory / "LongRequest.java"
    source.write_text((HERE / "LongRequest.java").read_text() + fix("Java", "java"))
    java = ["java", "-XX:TieredStopAtLevel=1", "-Xmx128m", "-cp", ":".join(map(str, OKHTTP))]
    found["java-okhttp", PLAIN] = [*java, str(source), url, ""]
    found["java-okhttp", FIXED] = [*java, str(source), url, "KeepaliveSocketFactory"]
    return found


def make_long_requests(directory: Path) -> dict[tuple[str, str], LongRequest]:
    """
    What each client got, at the same time. The fixed botocore runs again where the sysctls are
    correct, as SYSCTLS.
    """
    with nat_labs("client", SYSCTLS, idle_timeout=IDLE_TIMEOUT) as (lab, other):
        for name, value in (("time", 2), ("intvl", 1), ("probes", 8)):
            other.client.sysctl(f"net.ipv4.tcp_keepalive_{name}", value)
        server = lab.server.call(ThreadingHTTPServer, (lab.server.address, _PORT), _SlowServer)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        argv = commands(f"http://{lab.server.address}:{_PORT}/", directory)
        started = {key: _start(lab.client, each) for key, each in argv.items()}
        started["botocore", SYSCTLS] = _start(other.client, argv["botocore", FIXED])
        clients = {key: RunningClient(process) for key, process in started.items()}
        for key, client in clients.items():
            assert client.ready.result(_STARTS_WITHIN) == "ready", key
        answers = {key: client.use() for key, client in clients.items()}
        time.sleep(_OPTIONS_AFTER)
        keepalive = _keepalive(lab.client) | _keepalive(other.client)
        found = {
            key: LongRequest(answer.result(_ENDS_WITHIN), keepalive[started[key].pid])
            for key, answer in answers.items()
        }
        for client in clients.values():
            client.end()
        server.shutdown()
        server.server_close()
    return found


def _start(host: Host, argv: list[str]) -> "subprocess.Popen[str]":
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return host.start(argv, cwd=ROOT, **pipes)


def _keepalive(host: Host) -> dict[int, Mapping[str, Any]]:
    """
    The keepalive of the connections to the server, by process id.
    """
    argv = [sys.executable, "-m", "exporter", "connections", "--all", "--format=json"]
    flags = [f"--remote=:{_PORT}", NO_CLOUD]
    rows = json.loads(host.run([*argv, *flags], cwd=ROOT).stdout)["connections"]
    return {row["process"]["pid"]: row["keepalive"] for row in rows}

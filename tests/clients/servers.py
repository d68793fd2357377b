"""
The servers of one host: nginx (plain and TLS), HAProxy, PostgreSQL, Redis, sshd, WebSocket, gRPC.
"""

import signal
import subprocess
import sys
from pathlib import Path

from tests.clients.registry import FRONT_PORT, HAPROXY_PORT, NGINX_PORT
from tests.e2e.proxies import start_haproxy, start_nginx
from tests.e2e.servers import OpenSSH, PostgreSQL, Redis, wait_for_ports
from tests.exporter_process import ROOT
from tests.lab import Host

_PORTS = (22, 80, 443, 5432, 6379, 8765, 50051, FRONT_PORT)
_TIMEOUT = 20.0


class Servers:
    """
    The servers of a host; they close idle clients after idle seconds, 0 means never.
    """

    def __init__(self, host: Host, directory: Path, postgresql: PostgreSQL, idle: float) -> None:
        directory.mkdir()
        self._host = host
        self._directory = directory
        self._postgresql = postgresql
        self._idle = idle
        self._ssh = OpenSSH(directory)
        self._processes: list[subprocess.Popen[str]] = []
        certificate = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        files = ["-keyout", str(directory / "key.pem"), "-out", str(directory / "cert.pem")]
        subprocess.run(
            [*certificate, *files, "-subj", "/CN=server"], check=True, capture_output=True
        )

    @property
    def ssh_key(self) -> Path:
        """
        The key that sshd accepts.
        """
        return self._directory / "client-key"

    def start(self) -> None:
        """
        Start all servers, and wait until they listen.
        """
        host, idle, directory = self._host, self._idle, self._directory
        seconds = f"{idle:g}s" if idle else "1d"
        milliseconds = int(1000 * idle)
        tls = f"ssl; ssl_certificate {directory}/cert.pem; ssl_certificate_key {directory}/key.pem"
        settings = f"keepalive_timeout {seconds}; location / {{ return 200 hello; }}"
        front = (
            f"  bind :{FRONT_PORT}\n  mode http\n  timeout http-keep-alive {seconds}\n"
            f"  timeout client {seconds}\n  server nginx 127.0.0.1:80\n"
        )
        self._database = self._postgresql.start(
            host, 5432, f"idle_session_timeout = {milliseconds}"
        )
        self._processes = [
            start_nginx(host, directory, {80: f"; {settings}", 443: f"{tls}; {settings}"}),
            start_haproxy(host, directory, {"front": front}),
            self._database,
            Redis(directory).start(host, 6379, f"timeout {max(int(idle), bool(idle))}"),
            self._ssh.start(host, 22, ""),
            host.start([sys.executable, "-m", "tests.clients.python_server", str(idle)], cwd=ROOT),
        ]
        wait_for_ports(host, _PORTS)

    def stop(self) -> None:
        """
        End all servers, with clients connected.
        """
        for process in self._processes:
            # With SIGTERM, PostgreSQL waits for its clients to end.
            is_postgresql = process is self._database
            process.send_signal(signal.SIGINT if is_postgresql else signal.SIGTERM)
        for process in self._processes:
            process.wait(_TIMEOUT)


def start_proxies(
    host: Host, directory: Path, nginx: str, haproxy: str
) -> list[subprocess.Popen[str]]:
    """
    Start nginx and HAProxy at the client's host, as proxies to servers at these addresses, to which
    they keep connections.
    """
    directory.mkdir()
    upstream = f"upstream server {{ server {nginx}:80; keepalive 4; }}"
    forward = (
        "; location / { proxy_pass http://server; proxy_http_version 1.1;"
        ' proxy_set_header Connection ""; }'
    )
    processes = [start_nginx(host, directory, {NGINX_PORT: forward}, upstream)]
    back = (
        f"  bind :{HAPROXY_PORT}\n  mode http\n  http-reuse always\n"
        f"  server front {haproxy}:{FRONT_PORT}\n"
    )
    processes.append(start_haproxy(host, directory, {"back": back}))
    wait_for_ports(host, (NGINX_PORT, HAPROXY_PORT))
    return processes

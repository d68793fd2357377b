"""
Connections counted by path with what any operating system tells, on real sockets.
"""

import json
import socket
import sys
from collections.abc import Iterator

import psutil
import pytest

from exporter.collectors.connection_counts import count_connections
from exporter.config.schema import Config
from exporter.model import NO_PATH, CollectorError
from tests.exporter_process import ROOT
from tests.lab import Host, pair, requires_lab

CONFIG = Config.model_validate(
    {
        "paths": [
            {"name": "office", "direction": "inbound", "remote": "private", "idle_timeout": "1h"}
        ]
    }
)


def counted(host: Host) -> dict[str, int]:
    """
    What a process inside the host counts: psutil shows the namespace that a process began in.
    """
    argv = [sys.executable, "-m", "tests.collectors.test_connection_counts"]
    told = host.run(argv, cwd=ROOT).stdout
    by_path: dict[str, int] = json.loads(told)
    return by_path


@requires_lab
def test_by_path() -> None:
    """
    Each connection counts once, on the path it crosses: inbound and outbound, IPv4, IPv6 and
    mapped, closed by the peer, within the host. A listening socket is none, nor is one half closed.
    """
    nothing = dict.fromkeys((*(path.name for path in CONFIG.paths), NO_PATH), 0)
    with pair() as lab:
        assert counted(lab.client) == nothing
        lab.connections(5)
        lab.connections(6, family=socket.AF_INET6)
        closed = lab.connect()
        closed.server.close()
        assert closed.client.recv(1) == b""
        mapped = lab.server.socket(socket.AF_INET6)
        mapped.bind(("::", 0))
        mapped.listen()
        lab.client.connect(lab.server.address, mapped.getsockname()[1])
        lab.client.ip("addr add 10.0.0.3/24 dev eth0")
        inner = lab.client.socket()
        inner.bind(("10.0.0.3", 0))
        inner.connect(lab.client.listener().getsockname())

        assert counted(lab.client) == nothing | {"azure-outbound": 13, NO_PATH: 2}
        assert counted(lab.server) == nothing | {"office": 12}


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (psutil.AccessDenied(), f"only an administrator may list sockets on {sys.platform}"),
        (OSError(12, "Cannot allocate memory"), "cannot list the sockets: [Errno 12] Cannot"),
    ],
)
def test_refused(error: Exception, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What keeps the sockets from being listed is told.
    """

    def refuse(_: str) -> Iterator[None]:
        raise error

    monkeypatch.setattr(psutil, "net_connections", refuse)
    with pytest.raises(CollectorError) as caught:
        count_connections(CONFIG.paths)
    assert str(caught.value).startswith(message)


if __name__ == "__main__":
    print(json.dumps(count_connections(CONFIG.paths)))

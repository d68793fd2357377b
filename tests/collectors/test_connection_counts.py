"""
Counts of connections by path, as on platforms other than Linux, with real sockets.
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
    The counts of a process inside the host, because psutil lists the namespace in which its process
    started.
    """
    output = host.run(
        [sys.executable, "-m", "tests.collectors.test_connection_counts"], cwd=ROOT
    ).stdout
    by_path: dict[str, int] = json.loads(output)
    return by_path


@requires_lab
def test_by_path() -> None:
    """
    Each connection counts once, on its path: inbound and outbound, IPv4, IPv6 and mapped, closed by
    the peer, within the host. Listening and half-closed sockets are not counted.
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
        (psutil.AccessDenied(), f"administrator rights are required on {sys.platform}"),
        (OSError(12, "Cannot allocate memory"), "[Errno 12] Cannot allocate memory"),
    ],
)
def test_error(error: Exception, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    If the sockets cannot be listed, the error has the reason.
    """

    def refuse(_: str) -> Iterator[None]:
        raise error

    monkeypatch.setattr(psutil, "net_connections", refuse)
    with pytest.raises(CollectorError) as caught:
        count_connections(CONFIG.paths)
    assert message in str(caught.value)


if __name__ == "__main__":
    print(json.dumps(count_connections(CONFIG.paths)))

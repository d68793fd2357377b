"""
What works at each level of docs/permissions.md.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.exporter_process import COMMAND, ExporterProcess, exporter_process
from tests.lab import LAB_MARKS, Host
from tests.lab.traffic import Keepalive

pytestmark = LAB_MARKS

READABLE = 'tcp_keepalive_namespaces{readable="true"}'
UNREADABLE = 'tcp_keepalive_namespaces{readable="false"}'
OF_OTHERS = ("sys_admin", "sys_ptrace", "dac_read_search")


@dataclass(frozen=True)
class Level:
    """
    A row of the table: the capabilities that nobody has, or root.
    """

    name: str
    capabilities: tuple[str, ...] = ()
    is_root: bool = False

    def __str__(self) -> str:
        """
        Name the test.
        """
        return self.name

    @property
    def command(self) -> tuple[str, ...]:
        """
        The exporter's command at this level.
        """
        if self.is_root:
            return COMMAND
        # Reading a checkout below a home directory may take one more.
        kept = ",".join(f"+{each}" for each in {*self.capabilities, "dac_read_search"})
        return (
            *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
            *(f"--{kind}=-all,{kept}" for kind in ("bounding-set", "inh-caps", "ambient-caps")),
            *COMMAND,
        )


NONE = Level("none")
NET_ADMIN = Level("CAP_NET_ADMIN", ("net_admin",))
NAMESPACES = Level("CAP_SYS_ADMIN and CAP_SYS_PTRACE", OF_OTHERS)
ROOT = Level("root", is_root=True)
LEVELS = (NONE, NET_ADMIN, NAMESPACES, ROOT)


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """
    A namespace in which root has a connection, with a listener beside it.
    """
    with Host() as host:
        host.ip("link set lo up")
        with host.listener() as listener:
            keepalive = Keepalive(time=77, interval=7, probes=3)
            with host.connect(*listener.getsockname()[:2], keepalive=keepalive):
                server, _ = listener.accept()
                with server:
                    yield host


@pytest.mark.parametrize("level", LEVELS, ids=str)
def test_own_namespace(host: Host, level: Level) -> None:
    """
    Settings, connections, owners and closures of its own namespace are there at every level.
    """
    with exporter_process(command=level.command, start=host.start) as exporter:
        metrics = inside(host, exporter)
        for name in ("settings", "sockets", "owners", "closures"):
            assert metrics[f'tcp_keepalive_collector_success{{collector="{name}"}}'] == 1
        assert metrics["tcp_keepalive_sampled_sockets"] >= 2


@pytest.mark.parametrize("level", LEVELS, ids=str)
def test_other_namespaces(host: Host, level: Level) -> None:
    """
    They are read, or counted as what cannot be read, and the log says what that takes.
    """
    with exporter_process("--namespaces=all", command=level.command) as exporter:
        exporter.wait_for({'tcp_keepalive_collector_success{collector="settings"}': 1}, within=60)
        metrics, name = exporter.metrics(), f'tcp_keepalive_time_seconds{{netns="{host.name}"}}'
        if level in (NAMESPACES, ROOT):
            assert name in metrics
            assert metrics[READABLE] >= 2
        else:
            assert name not in metrics
            assert metrics[READABLE] == 1
            assert metrics[UNREADABLE] >= 1
            assert any("CAP_SYS_ADMIN" in line for line in exporter.log)


@pytest.mark.parametrize("level", LEVELS, ids=str)
def test_exact_options(host: Host, level: Level) -> None:
    """
    Those of root's socket are shown to whoever may look into root's process, and to nobody else.
    """
    command = [*level.command, "connections", "--all", "--format=json"]
    connections = json.loads(host.run(command).stdout)["connections"]
    exact = [each["keepalive"] for each in connections if each["keepalive"]["exact"]]
    assert any(77 in keepalive.values() for keepalive in exact) is (level in (NAMESPACES, ROOT))


def inside(host: Host, exporter: ExporterProcess) -> dict[str, float]:
    """
    What an exporter within the host's namespace serves once it has taken a sample.
    """
    series = 'tcp_keepalive_collector_success{collector="owners"}'
    return host.call(exporter.wait_for, {series: 1}, 60)

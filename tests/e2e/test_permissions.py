"""
The features available at each level of docs/permissions.md.
"""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e.exporting import exporter_inside
from tests.e2e.node import Node, unnamed_namespaces
from tests.exporter_process import COMMAND, ExporterProcess, exporter_process
from tests.lab import LAB_MARKS, Host
from tests.lab.traffic import Keepalive

pytestmark = LAB_MARKS

FOR_OTHER_NAMESPACES = ("sys_admin", "sys_ptrace", "dac_read_search")


@dataclass(frozen=True)
class Level:
    """
    A row of the table: capabilities of the user nobody, or root.
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
        # Reading a checkout below a home directory may require one more capability.
        kept = ",".join(f"+{each}" for each in {*self.capabilities, "dac_read_search"})
        return (
            *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
            *(f"--{kind}=-all,{kept}" for kind in ("bounding-set", "inh-caps", "ambient-caps")),
            *COMMAND,
        )


OFTEN = "namespaces: all\nsampling: {interval: 100ms, max_duty_cycle: 0.5}\n"
NONE = Level("none")
NET_ADMIN = Level("CAP_NET_ADMIN", ("net_admin",))
ADMIN = Level("CAP_SYS_ADMIN", ("sys_admin",))
PTRACE = Level("CAP_SYS_PTRACE", ("sys_ptrace",))
NAMESPACES = Level("CAP_SYS_ADMIN and CAP_SYS_PTRACE", FOR_OTHER_NAMESPACES)
ROOT = Level("root", is_root=True)
LEVELS = (NONE, NET_ADMIN, NAMESPACES, ROOT)


@dataclass(frozen=True)
class Others:
    """
    A node, and the names of its other namespaces. Each of them has a process of root.
    """

    node: Node
    named: list[str]
    unnamed: list[str]


@pytest.fixture(scope="module")
def others() -> Iterator[Others]:
    """
    A node with one named and two unnamed namespaces.
    """
    with Node() as node, unnamed_namespaces(node) as namespaces:
        node.run(["ip", "netns", "add", "web"])
        node.start(["ip", "netns", "exec", "web", "sleep", "infinity"])
        yield Others(node, ["web"], [f"net:[{inode}]" for inode in namespaces.make(2)])


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """
    A namespace with a listener and a connection of root.
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
    Settings, connections, owners and closures of its own namespace are available at every level.
    """
    with exporter_process(command=level.command, start=host.start) as exporter:
        metrics = inside(host, exporter)
        for name in ("settings", "sockets", "owners", "closures"):
            assert metrics[f'tcp_keepalive_collector_success{{collector="{name}"}}'] == 1
        assert metrics["tcp_keepalive_sampled_sockets"] >= 2


@pytest.mark.parametrize(
    ("level", "named", "unnamed", "missing"),
    [
        (NONE, False, False, ("CAP_SYS_ADMIN", "CAP_SYS_PTRACE")),
        (NET_ADMIN, False, False, ("CAP_SYS_ADMIN", "CAP_SYS_PTRACE")),
        (ADMIN, True, False, ("CAP_SYS_PTRACE",)),
        (PTRACE, False, False, ("CAP_SYS_ADMIN",)),
        (NAMESPACES, True, True, ()),
        (ROOT, True, True, ()),
    ],
    ids=str,
)
def test_other_namespaces(
    others: Others, level: Level, named: bool, unnamed: bool, missing: tuple[str, ...]
) -> None:
    """
    They are read, or counted as not readable. Each missing capability is logged once.
    """
    with exporter_inside(others.node, OFTEN, level.command) as exporter:
        first = exporter.scrape().total("sample_timestamp_seconds")
        while (scrape := exporter.scrape()).total("sample_timestamp_seconds") == first:
            time.sleep(0.05)
        read = {"host", *(others.named if named else ()), *(others.unnamed if unnamed else ())}
        assert {labels["netns"] for labels, _ in scrape.samples["time_seconds"]} == read
        every = {"host", *others.named, *others.unnamed}
        assert scrape.total("namespaces", readable="true") == len(read)
        assert scrape.total("namespaces", readable="false") == len(every - read)
        skipped = [line for line in exporter.log if "network namespaces" in line]
        assert {name for line in skipped for name in re.findall("CAP_[A-Z_]+", line)} == set(
            missing
        )
        assert len(skipped) == len(missing)
        for name in ("settings", "sockets", "closures"):
            assert scrape.total("collector_success", collector=name) == 1


@pytest.mark.parametrize("level", LEVELS, ids=str)
def test_exact_options(host: Host, level: Level) -> None:
    """
    The options of root's socket are visible only at levels that can inspect root's process.
    """
    command = [*level.command, "connections", "--all", "--format=json"]
    connections = json.loads(host.run(command).stdout)["connections"]
    exact = [each["keepalive"] for each in connections if each["keepalive"]["exact"]]
    assert any(77 in keepalive.values() for keepalive in exact) is (level in (NAMESPACES, ROOT))


def inside(host: Host, exporter: ExporterProcess) -> dict[str, float]:
    """
    The metrics of an exporter in the host's namespace, after its first sample.
    """
    series = 'tcp_keepalive_collector_success{collector="owners"}'
    return host.call(exporter.wait_for, {series: 1}, 60)

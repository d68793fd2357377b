"""
The exporter under the restrictions of its unit and its chart, actually applied: user, capabilities,
system calls, address families, files.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from tests.deploy.chart import pod
from tests.deploy.sandbox import privileges, python, sandbox
from tests.deploy.unit import NAMESPACES, SERVICE, Unit
from tests.e2e.node import Node, unnamed_namespaces
from tests.exporter_process import ROOT, ExporterProcess, exporter_process
from tests.lab import LAB_MARKS

pytestmark = LAB_MARKS

DYNAMIC_USER = 61184
"""The first uid that systemd assigns to services with DynamicUser=."""
CAPABILITIES = {"sys_ptrace": 19, "sys_admin": 21}  # uapi/linux/capability.h
FORBIDDEN = ("/etc/x", "/usr/x", "/root/x", "/proc/sys/net/ipv4/tcp_keepalive_time")
TIME = "tcp_keepalive_time_seconds"
COLLECTORS = ("settings", "sockets", "owners", "closures")


@dataclass(frozen=True)
class Confinement:
    """
    A command prefix that confines a command, and the expected result: user, capabilities, whether
    system calls are filtered, whether gaining privileges is blocked.
    """

    prefix: tuple[str, ...]
    user: int
    capabilities: list[str]
    filtered: bool
    no_new: bool


def systemd(*, every_namespace: bool, more: Sequence[str] = ()) -> Confinement:
    """
    Systemd's restrictions, with the drop-in if every_namespace, and additional capabilities.
    """
    files = (SERVICE, NAMESPACES) if every_namespace else (SERVICE,)
    unit = Unit.read(*files)
    hidden = unit.last("ProtectProc")
    no_new = unit.last("NoNewPrivileges") == "yes"
    capabilities = [*unit.capabilities(), *more]
    prefix = (
        *sandbox(hidepid="off" if hidden == "default" else hidden),
        *privileges(DYNAMIC_USER, capabilities, no_new=no_new),
        *python("tests.deploy.seccomp"),
        ",".join(str(file.relative_to(ROOT)) for file in files),
    )
    return Confinement(prefix, DYNAMIC_USER, capabilities, filtered=True, no_new=no_new)


def chart(*, every_namespace: bool) -> Confinement:
    """
    The chart's restrictions, without the container runtime's own system call filter.
    """
    spec = pod({"allNamespaces": str(every_namespace).lower()})
    (container,) = spec["containers"]
    context: dict[str, Any] = spec["securityContext"] | container["securityContext"]
    assert context["readOnlyRootFilesystem"]
    assert context["capabilities"]["drop"] == ["ALL"]
    capabilities = [name.lower() for name in context["capabilities"].get("add", [])]
    user, no_new = context["runAsUser"], not context["allowPrivilegeEscalation"]
    prefix = (*sandbox(), *privileges(user, capabilities, no_new=no_new))
    return Confinement(prefix, user, capabilities, filtered=False, no_new=no_new)


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    """
    A host with a connection, and two more namespaces, one of them named.
    """
    with Node() as node, unnamed_namespaces(node) as namespaces:
        # As on a host booted with systemd.
        node.run(["mount", "--make-rshared", "/"])
        node.run(["ip", "netns", "add", "web"])
        namespaces.make(1, time=77, sockets=2)
        with node.listener() as listener, node.connect(*listener.getsockname()[:2]):
            yield node


@contextmanager
def exporter(node: Node, confined: Confinement, *flags: str) -> Iterator[ExporterProcess]:
    """
    Run the confined exporter on the node within the block.
    """
    command = (*confined.prefix, *python("exporter"))
    every = (*flags, "--config.file=tests/deploy/fast-sampling.yml")
    with exporter_process(*every, command=command, start=node.start) as process:
        yield process


@pytest.mark.parametrize("every_namespace", [False, True], ids=["own", "every"])
@pytest.mark.parametrize("way", [systemd, chart])
def test_is_confined(node: Node, way: Callable[..., Confinement], every_namespace: bool) -> None:
    """
    The restrictions are really in force.
    """
    confined = way(every_namespace=every_namespace)
    forbidden = " ".join(FORBIDDEN)
    script = f"cat /proc/self/status; for name in {forbidden}; do (echo 1 >$name); done"
    ended = node.run([*confined.prefix, "sh", "-c", script], check=False)
    status = dict(line.split(":\t", 1) for line in ended.stdout.splitlines())
    bits = sum(1 << CAPABILITIES[name] for name in confined.capabilities)
    kinds = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
    assert [int(status[kind], 16) for kind in kinds] == [bits] * len(kinds)
    assert status["Uid"].split() == [str(confined.user)] * 4
    assert status["NoNewPrivs"] == str(int(confined.no_new))
    assert status["Seccomp"] == ("2" if confined.filtered else "0")
    denied = re.findall("cannot create (.*): (?:Read-only|Permission)", ended.stderr)
    assert denied == list(FORBIDDEN)


@pytest.mark.parametrize("way", [systemd, chart])
def test_own_namespace(node: Node, way: Callable[..., Confinement]) -> None:
    """
    By default all collectors succeed for the exporter's own namespace.
    """
    with exporter(node, way(every_namespace=False)) as running:
        series = 'tcp_keepalive_collector_success{{collector="{}"}}'.format
        expected = {series(name): 1.0 for name in COLLECTORS}
        metrics = node.call(running.wait_for, expected, 60)
        assert metrics["tcp_keepalive_sampled_sockets"] >= 2
        assert metrics['tcp_keepalive_time_seconds{netns="host"}'] == 7200
        assert node.call(running.get, "/")[0] == 200
        assert [line for line in running.log if "level=info" not in line] == []


@pytest.mark.parametrize(
    ("way", "finds_processes"),
    [
        pytest.param(systemd, False, id="systemd"),
        pytest.param(partial(systemd, more=["dac_read_search"]), True, id="systemd and files"),
        pytest.param(chart, True, id="chart"),
    ],
)
def test_every_namespace(
    node: Node, way: Callable[..., Confinement], finds_processes: bool
) -> None:
    """
    With only the capabilities for other namespaces it reads all of them, including new ones.
    """
    confined = way(every_namespace=True)
    with exporter(node, confined, "--namespaces=all", "--web.enable-connections") as running:
        readable = 'tcp_keepalive_namespaces{{readable="{}"}}'.format
        node.call(running.wait_for, {readable("true"): 3, readable("false"): 0}, 60)
        node.run(["ip", "netns", "add", "later"])
        try:
            later = {readable("true"): 4, 'tcp_keepalive_time_seconds{netns="later"}': 7200}
            metrics = node.call(running.wait_for, later, 60)
        finally:
            node.run(["ip", "netns", "delete", "later"])
        times = [value for key, value in metrics.items() if key.startswith(TIME)]
        assert sorted(times) == [77, 7200, 7200, 7200]
        found = json.loads(node.call(running.get, "/api/v1/connections?all=1")[1])["connections"]
        others = [each for each in found if each["netns"].startswith("net:")]
        assert len(others) == 2
        for other in others:
            assert (other["process"] is not None) is finds_processes
            assert other["keepalive"]["exact"] is finds_processes
        assert [line for line in running.log if "level=info" not in line] == []

"""
The exporter without all that its unit and its chart take from it, which is really taken here: user,
capabilities, system calls, address families, files.
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
from tests.deploy.sandbox import cell, privileges, python
from tests.deploy.unit import NAMESPACES, SERVICE, Unit
from tests.e2e.node import Node, inhabitants
from tests.exporter_process import ROOT, ExporterProcess, exporter_process
from tests.lab import LAB_MARKS

pytestmark = LAB_MARKS

DYNAMIC_USER = 61184
"""The first of those that systemd gives to services with DynamicUser=."""
CAPABILITIES = {"sys_ptrace": 19, "sys_admin": 21}  # uapi/linux/capability.h
FORBIDDEN = ("/etc/x", "/usr/x", "/root/x", "/proc/sys/net/ipv4/tcp_keepalive_time")
TIME = "tcp_keepalive_time_seconds"
COLLECTORS = ("settings", "sockets", "owners", "closures")


@dataclass(frozen=True)
class Confinement:
    """
    What runs a command confined, and what it should then be: its user, its capabilities, whether
    its system calls are filtered, whether it may gain privileges.
    """

    prefix: tuple[str, ...]
    user: int
    capabilities: list[str]
    filtered: bool
    no_new: bool


def systemd(*, every_namespace: bool, more: Sequence[str] = ()) -> Confinement:
    """
    As systemd has it, with the drop-in if it is to read every namespace, and more capabilities.
    """
    files = (SERVICE, NAMESPACES) if every_namespace else (SERVICE,)
    unit = Unit.read(*files)
    hidden = unit.last("ProtectProc")
    no_new = unit.last("NoNewPrivileges") == "yes"
    capabilities = [*unit.capabilities(), *more]
    prefix = (
        *cell(hidepid="off" if hidden == "default" else hidden),
        *privileges(DYNAMIC_USER, capabilities, no_new=no_new),
        *python("tests.deploy.seccomp"),
        ",".join(str(file.relative_to(ROOT)) for file in files),
    )
    return Confinement(prefix, DYNAMIC_USER, capabilities, filtered=True, no_new=no_new)


def chart(*, every_namespace: bool) -> Confinement:
    """
    As the chart has it, less the filter of system calls that a container runtime brings itself.
    """
    spec = pod({"allNamespaces": str(every_namespace).lower()})
    (container,) = spec["containers"]
    context: dict[str, Any] = spec["securityContext"] | container["securityContext"]
    assert context["readOnlyRootFilesystem"]
    assert context["capabilities"]["drop"] == ["ALL"]
    capabilities = [name.lower() for name in context["capabilities"].get("add", [])]
    user, no_new = context["runAsUser"], not context["allowPrivilegeEscalation"]
    prefix = (*cell(), *privileges(user, capabilities, no_new=no_new))
    return Confinement(prefix, user, capabilities, filtered=False, no_new=no_new)


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    """
    A host with a connection, and two more namespaces, of which one has a name.
    """
    with Node() as node, inhabitants(node) as people:
        # As it is where systemd has booted.
        node.run(["mount", "--make-rshared", "/"])
        node.run(["ip", "netns", "add", "web"])
        people.make(1, time=77, sockets=2)
        with node.listener() as listener, node.connect(*listener.getsockname()[:2]):
            yield node


@contextmanager
def exporter(node: Node, confined: Confinement, *flags: str) -> Iterator[ExporterProcess]:
    """
    Run the confined exporter on the node until the block is left.
    """
    command = (*confined.prefix, *python("exporter"))
    every = (*flags, "--config.file=tests/deploy/fast-sampling.yml")
    with exporter_process(*every, command=command, start=node.start) as process:
        yield process


@pytest.mark.parametrize("every_namespace", [False, True], ids=["own", "every"])
@pytest.mark.parametrize("way", [systemd, chart])
def test_is_confined(node: Node, way: Callable[..., Confinement], every_namespace: bool) -> None:
    """
    What is taken is really gone.
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
    refusals = re.findall("cannot create (.*): (?:Read-only|Permission)", ended.stderr)
    assert refusals == list(FORBIDDEN)


@pytest.mark.parametrize("way", [systemd, chart])
def test_own_namespace(node: Node, way: Callable[..., Confinement]) -> None:
    """
    By default it lacks nothing that its own namespace has to tell.
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
    With what other namespaces take, and no more, it reads all of them, and those that come later.
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

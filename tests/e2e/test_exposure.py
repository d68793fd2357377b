"""
The severity of findings in other network namespaces follows the connections that are there.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.analysis.report import Verdict
from tests.e2e.exporting import Exporter, exporter_inside
from tests.e2e.node import Node, unnamed_namespaces
from tests.exporter_process import COMMAND, ROOT
from tests.lab import LAB_MARKS, Connection, Keepalive, NatLab, nat_lab

pytestmark = LAB_MARKS

CONFIG = "namespaces: all\nsampling: {interval: 100ms, max_duty_cycle: 0.5}\n"
NO_SOCKETS = ("--no-collector.sockets",)
EMPTY = 5
PATIENCE = 30.0
OBSERVED = 2.0
"""Seconds of many samples."""
HERE = Path("/proc/thread-self/ns/net")


@pytest.fixture
def node() -> Iterator[Node]:
    """
    A host with the recommended settings.
    """
    with Node() as node:
        for name, value in (("time", 120), ("intvl", 30), ("probes", 8)):
            node.sysctl(f"net.ipv4.tcp_keepalive_{name}", value)
        yield node


@pytest.fixture
def lab(node: Node) -> Iterator[NatLab]:
    """
    A client behind a NAT; the client is one of the node's namespaces.
    """
    with nat_lab(idle_timeout=600) as lab:
        node.move_in(lab.client)
        yield lab


def label(lab: NatLab) -> str:
    """
    The netns label of the client.
    """
    return f"net:[{lab.client.call(HERE.stat).st_ino}]"


def severities(exporter: Exporter) -> dict[str, str]:
    """
    The severity of KA001 in each namespace that has it.
    """
    samples = exporter.scrape().samples.get("finding", [])
    return {labels["netns"]: labels["severity"] for labels, _ in samples if labels["id"] == "KA001"}


def wait_for(exporter: Exporter, expected: dict[str, str]) -> None:
    """
    Wait until KA001 has exactly these severities.
    """
    end = time.monotonic() + PATIENCE
    while (found := severities(exporter)) != expected:
        assert time.monotonic() < end, f"found {found}, expected {expected}"
        time.sleep(0.1)


def check(node: Node, *flags: str) -> tuple[int, str]:
    """
    The exit code and output of `check` inside the node.
    """
    argv = [*COMMAND, "check", "--namespaces=all", *flags]
    ended = node.run(argv, cwd=ROOT, check=False)
    return ended.returncode, ended.stdout


def test_severity_follows_connections(node: Node, lab: NatLab) -> None:
    """
    KA001 of namespaces with 7200 s has severity info, and critical only in the one that has a
    connection with keepalive and without its own times across the path, until that closes.
    """
    with unnamed_namespaces(node) as namespaces, exporter_inside(node, CONFIG) as exporter:
        empty = [f"net:[{inode}]" for inode in namespaces.make(EMPTY)]
        info = dict.fromkeys((*empty, label(lab)), "info")
        wait_for(exporter, info)
        assert check(node, "--quiet") == (0, "")

        connection = lab.connect(keepalive=Keepalive())
        wait_for(exporter, info | {label(lab): "critical"})
        code, quiet = check(node, "--quiet")
        assert code == 1
        assert quiet == f"{label(lab)}: at risk: 2 of 2 paths unprotected (KA001)\n"

        connection.close()
        wait_for(exporter, info)
        assert check(node, "--quiet") == (0, "")


@pytest.mark.parametrize("keepalive", [None, Keepalive(time=60), Keepalive(time=60, interval=5)])
def test_independent_connections(node: Node, lab: NatLab, keepalive: Keepalive | None) -> None:
    """
    Connections without keepalive or with their own time do not depend on the settings.
    """
    with exporter_inside(node, CONFIG) as exporter:
        wait_for(exporter, {label(lab): "info"})
        connections: list[Connection] = lab.connections(5, keepalive=keepalive)
        settled = time.monotonic() + PATIENCE
        while exporter.scrape().total("connections", path="azure-outbound") < len(connections):
            assert time.monotonic() < settled
            time.sleep(0.1)
        end = time.monotonic() + OBSERVED
        while time.monotonic() < end:
            assert severities(exporter) == {label(lab): "info"}


def test_unknown_connections(node: Node, lab: NatLab) -> None:
    """
    Without the sockets collector, findings keep their severity.
    """
    with exporter_inside(node, CONFIG, command=(*COMMAND, *NO_SOCKETS)) as exporter:
        wait_for(exporter, {label(lab): "critical"})


def test_equal_namespaces_are_printed_once(node: Node, lab: NatLab) -> None:
    """
    The text of `check` has one section for all namespaces with equal settings and verdict, and JSON
    has each of them.
    """
    lab.connections(3, keepalive=Keepalive())
    with unnamed_namespaces(node) as namespaces:
        made = []
        for _ in range(EMPTY):
            made += namespaces.make(1)
        code, text = check(node)
        _, document = check(node, "--format=json")
    assert code == 1
    lines = [line.strip() for line in text.splitlines()]
    assert sum(line.startswith("setting ") for line in lines) == 3
    assert sum(line.startswith(f"{EMPTY} network namespaces: ") for line in lines) == 1
    assert lines.count(label(lab)) == 1
    verdicts = {each["netns"]: each["verdict"] for each in json.loads(document)["namespaces"]}
    assert verdicts == {
        "host": Verdict.ALL_RIGHT,
        label(lab): Verdict.AT_RISK,
        **{f"net:[{inode}]": Verdict.ALL_RIGHT for inode in made},
    }

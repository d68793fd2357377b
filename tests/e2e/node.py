"""
A host with its own process and mount namespaces: an exporter inside discovers only the network
namespaces created there, not those of the machine.
"""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psutil

from tests.exporter_process import ROOT
from tests.lab import Host
from tests.lab.hosts import NAMESPACES

_UNSHARE = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
_INIT = "mount -t tmpfs tmpfs /run/netns && echo ready && exec sleep infinity"


class Node(Host):
    """
    A network namespace with process and mount namespaces around it.
    """

    def __init__(self, label: str = "node") -> None:
        """
        Create the node.
        """
        super().__init__(label)
        self._inside: tuple[str, ...] = ()
        process = self.start(
            [*_UNSHARE, "sh", "-c", _INIT], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        (init,) = psutil.Process(process.pid).children()
        self._cleanup.callback(init.kill)  # all other processes end with pid 1
        self._inside = ("nsenter", f"--target={init.pid}", "--mount", "--pid", "--")

    def start(self, argv: Sequence[str], **options: Any) -> "subprocess.Popen[str]":
        """
        Start a process inside, as Host.start does.
        """
        # nsenter remains its parent. If nsenter is killed, the process is killed too.
        killed = ("setpriv", "--pdeathsig=KILL", "--") if self._inside else ()
        return super().start([*self._inside, *killed, *argv], **options)

    @property
    def prefix(self) -> tuple[str, ...]:
        """
        Command prefix that enters the node's process and mount namespaces, not its network.
        """
        return self._inside

    def move_in(self, host: Host) -> "subprocess.Popen[str]":
        """
        Run a process of the node in another host's network namespace until the node is closed.
        """
        namespace = f"--net={NAMESPACES / host.name}"
        argv = [*self._inside[:-1], namespace, "--", "sleep", "infinity"]
        return super().start(argv)


@dataclass
class UnnamedNamespaces:
    """
    Unnamed network namespaces in a node, each with a process.
    """

    process: "subprocess.Popen[str]"

    def make(self, number: int, *, time: int = 7200, sockets: int = 0) -> list[int]:
        """
        Create this many, with this many sockets in each; returns their inode numbers.

        The keepalive time, in seconds, increases by one with each namespace.
        """
        return self._do(f"make {number} {time} {sockets}")

    def end(self, number: int) -> list[int]:
        """
        End this many of the oldest; returns their inode numbers.
        """
        return self._do(f"end {number}")

    def _do(self, command: str) -> list[int]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        inodes: list[int] = json.loads(self.process.stdout.readline())
        return inodes


@contextlib.contextmanager
def unnamed_namespaces(node: Node) -> Iterator[UnnamedNamespaces]:
    """
    Start without namespaces. The end of the block removes all that were created.
    """
    process = node.start(
        [sys.executable, "-m", "tests.e2e.unnamed_namespaces"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        yield UnnamedNamespaces(process)

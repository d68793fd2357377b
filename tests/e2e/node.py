"""
A host whose processes and names of namespaces are its own: an exporter inside that looks for
namespaces finds those made here, and none of the machine's.
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
        Make the node.
        """
        super().__init__(label)
        self._inside: tuple[str, ...] = ()
        process = self.start(
            [*_UNSHARE, "sh", "-c", _INIT], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        (init,) = psutil.Process(process.pid).children()
        self._cleanup.callback(init.kill)  # its pid 1 takes all others along
        self._inside = ("nsenter", f"--target={init.pid}", "--mount", "--pid", "--")

    def start(self, argv: Sequence[str], **options: Any) -> "subprocess.Popen[str]":
        """
        Start a process inside; as of Host.
        """
        # nsenter stays its parent, and takes it along when it is killed.
        killed = ("setpriv", "--pdeathsig=KILL", "--") if self._inside else ()
        return super().start([*self._inside, *killed, *argv], **options)

    def move_in(self, host: Host) -> "subprocess.Popen[str]":
        """
        Have a process of the node in another host's network namespace, until the node closes.
        """
        namespace = f"--net={NAMESPACES / host.name}"
        argv = [*self._inside[:-1], namespace, "--", "sleep", "infinity"]
        return super().start(argv)


@dataclass
class Inhabitants:
    """
    Namespaces without names in a node, each with a process.
    """

    process: "subprocess.Popen[str]"

    def make(self, number: int, *, time: int = 7200, sockets: int = 0) -> list[int]:
        """
        So many more, with so many sockets in each; the keepalive time is one more in each than in
        the one before. Returns their inode numbers.
        """
        return self._do(f"make {number} {time} {sockets}")

    def end(self, number: int) -> list[int]:
        """
        End so many, the oldest. Returns their inode numbers.
        """
        return self._do(f"end {number}")

    def _do(self, command: str) -> list[int]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        made: list[int] = json.loads(self.process.stdout.readline())
        return made


@contextlib.contextmanager
def inhabitants(node: Node) -> Iterator[Inhabitants]:
    """
    None to begin with; all are gone when the block is left.
    """
    process = node.start(
        [sys.executable, "-m", "tests.e2e.unnamed_namespaces"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        yield Inhabitants(process)

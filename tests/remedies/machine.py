"""
A host on which remedies can be applied.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from exporter.collectors.operating_system import read_settings
from exporter.model import Settings
from tests.exporter_process import ROOT
from tests.lab import Host
from tests.remedies.printed import INTERVAL, PROBES, TIME

FILE = "99-tcp-keepalive.conf"

_OWN_SYSCTL_D = 'mount --bind "$0" /etc/sysctl.d && exec "$@"'


@dataclass(frozen=True)
class Machine:
    """
    A network namespace, and a directory that replaces /etc/sysctl.d for its commands.
    """

    host: Host
    sysctl_d: Path

    def run(
        self, *argv: str, cwd: Path = ROOT, environment: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """
        Run a command as root. Fails if the command fails.
        """
        own = ("unshare", "--mount", "sh", "-c", _OWN_SYSCTL_D, str(self.sysctl_d))
        here = {**os.environ, "PATH": f"{self._programs()}:{os.environ['PATH']}:/usr/sbin:/sbin"}
        return self.host.run(
            [*own, *argv], cwd=cwd, env=here | dict(environment or {}), timeout=120
        )

    def shell(self, *commands: str) -> str:
        """
        Run the commands with sh until one fails. Returns their output.
        """
        return self.run("sh", "-euc", "\n".join(commands)).stdout

    @property
    def settings(self) -> Settings:
        """
        The current settings.
        """
        return self.host.call(read_settings)

    @property
    def is_applied(self) -> bool:
        """
        Whether the current settings are those of printed().
        """
        now = self.settings
        return (now.time, now.interval, now.probes) == (TIME, INTERVAL, PROBES)

    def _programs(self) -> Path:
        """
        A directory with the project's command and a sudo that only runs its arguments.
        """
        directory = self.sysctl_d.with_name("bin")
        if not directory.exists():
            directory.mkdir()
            (directory / "tcp-keepalive-exporter").write_text(
                f'#!/bin/sh\nexec "{sys.executable}" -m exporter "$@"\n'
            )
            (directory / "sudo").write_text('#!/bin/sh\nexec "$@"\n')
            for program in directory.iterdir():
                program.chmod(0o755)
        return directory

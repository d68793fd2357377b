"""
The command `protect` inside a host of the lab.
"""

import json
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.exporter_process import COMMAND, NO_CLOUD, ROOT
from tests.lab import Host

_STARTS_WITHIN = 20.0


@dataclass(frozen=True)
class Protected:
    """
    The end of one run: exit code, JSON document (None if there is none), log.
    """

    code: int
    document: dict[str, Any]
    log: str

    def outcome_of(self, port: int) -> str | None:
        """
        The outcome for the connection with this local port; None if it was left alone.
        """
        found = [row for row in self.document["connections"] if row["local"]["port"] == port]
        return found[0]["outcome"] if found else None


def config_with(idle_timeout: float) -> str:
    """
    A config file with one path, to public addresses, with this idle timeout in seconds.
    """
    path = f"{{name: nat, remote: public, idle_timeout: {idle_timeout:g}s}}"
    return f"profile: none\npaths: [{path}]\n"


def protect(host: Host, config: str, *flags: str, command: Sequence[str] = COMMAND) -> Protected:
    """
    Run the command once. command is what precedes its name.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        file.write(config)
        file.flush()
        Path(file.name).chmod(0o644)
        own = (f"--config.file={file.name}", NO_CLOUD, "--format=json")
        ended = host.run([*command, "protect", *own, *flags], cwd=ROOT, check=False)
    document = json.loads(ended.stdout) if ended.stdout else {}
    return Protected(ended.returncode, document, ended.stderr)


@dataclass(frozen=True)
class Watching:
    """
    A running `protect --apply --watch`.
    """

    process: "subprocess.Popen[str]"
    output: Path

    @property
    def documents(self) -> list[dict[str, Any]]:
        """
        The documents printed so far.
        """
        return [json.loads(line) for line in self.output.read_text().splitlines()]

    def end(self, number: int = signal.SIGTERM) -> int:
        """
        Send a signal; returns the exit code.
        """
        self.process.send_signal(number)
        return self.process.wait(10)


@contextmanager
def watching(host: Host, config: str, *flags: str) -> Iterator[Watching]:
    """
    Run `protect --apply --watch` until the end of the block, which starts after its first run.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "config.yml").write_text(config)
        own = (f"--config.file={place / 'config.yml'}", NO_CLOUD, "--format=json")
        with (place / "output").open("w") as output, (place / "log").open("w") as errors:
            process = host.start(
                [*COMMAND, "protect", "--apply", "--watch", *own, *flags],
                cwd=ROOT,
                stdout=output,
                stderr=errors,
            )
        watcher = Watching(process, place / "output")
        end = time.monotonic() + _STARTS_WITHIN
        while not watcher.documents:
            assert process.poll() is None, (place / "log").read_text()
            assert time.monotonic() < end
            time.sleep(0.05)
        yield watcher

"""
PostgreSQL, Redis and OpenSSH from Debian's packages, as processes inside hosts of the lab.

A server listens on all addresses of its host. Its settings for connections are the defaults, plus
what a test adds.
"""

import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tests.lab import Host, LabError

_POSTGRESQL = Path("/usr/lib/postgresql")
_SSHD = Path("/usr/sbin/sshd")
_SSHD_DEFAULTS = Path("/usr/share/openssh/sshd_config")
_SSHD_RUN = Path("/run/sshd")
"""sshd's privilege separation directory. The path is compiled in; the starter must create it."""
_TIMEOUT = 20.0


@dataclass(frozen=True, slots=True)
class Client:
    """
    A client program that stays connected to its server. The server answers question with `ready`.
    """

    process: subprocess.Popen[str]
    question: str

    def ask(self) -> None:
        """
        Send the question and check the answer. Raises AssertionError.
        """
        requests, answers = self.process.stdin, self.process.stdout
        assert requests is not None
        assert answers is not None
        requests.write(self.question + "\n")
        requests.flush()
        poll = select.poll()
        poll.register(answers, select.POLLIN)
        assert poll.poll(_TIMEOUT * 1000), f"{self.process.args!r} gets no answer"
        answer = answers.readline()
        assert answer == "ready\n", f"{self.process.args!r} answers {answer!r}"


class Software(Protocol):
    """
    A server program and its client.
    """

    def start(self, host: Host, port: int, settings: str) -> subprocess.Popen[str]:
        """
        Start a server with these lines added to its configuration.
        """

    def connect(self, host: Host, address: str, port: int, options: str) -> Client:
        """
        Connect a client with these additional options.
        """


class PostgreSQL:
    """
    PostgreSQL servers, each with a copy of one database cluster, and psql.
    """

    def __init__(self, directory: Path) -> None:
        """
        Create the cluster, which accepts all users without a password.
        """
        self._directory = directory
        self._servers: list[subprocess.Popen[str]] = []
        programs = sorted(_POSTGRESQL.glob("*/bin/initdb"))
        if not programs:
            raise LabError("needs Debian's package postgresql")
        self._programs = programs[-1].parent
        subprocess.run(
            [self._programs / "initdb", "--no-sync", "--auth=trust", "--pgdata=new"],
            check=True,
            capture_output=True,
            **self._as_postgres(directory),
        )
        with (directory / "new/pg_hba.conf").open("a") as file:
            file.write("host all all all trust\n")

    @classmethod
    @contextmanager
    def installed(cls) -> Iterator["PostgreSQL"]:
        """
        A cluster in a new directory. The end of the block ends the servers and removes the
        directory.

        PostgreSQL refuses to run as root, and its user cannot access root's directories.
        """
        with tempfile.TemporaryDirectory(prefix="postgresql-") as directory:
            shutil.chown(directory, "postgres", "postgres")
            postgresql = cls(Path(directory))
            try:
                yield postgresql
            finally:
                postgresql.end()

    def start(self, host: Host, port: int, settings: str) -> subprocess.Popen[str]:
        """
        Start a server with these lines added to its configuration.
        """
        data = self._directory / f"{host.name}-{port}"
        if not data.exists():  # or started again
            subprocess.run(["cp", "--archive", self._directory / "new", data], check=True)
        with (data / "postgresql.conf").open("a") as file:
            file.write(f"listen_addresses = '*'\nport = {port}\nunix_socket_directories = ''\n")
            file.write(f"fsync = off\n{settings}\n")
        argv = [str(self._programs / "postgres"), "-D", str(data)]
        with (data / "log").open("w") as log:
            self._servers.append(host.start(argv, stderr=log, **self._as_postgres(data)))
        return self._servers[-1]

    def connect(self, host: Host, address: str, port: int, options: str) -> Client:
        """
        Connect a client with these additional words in its connection string.
        """
        target = f"host={address} port={port} user=postgres dbname=postgres {options}"
        # Not the psql in PATH, which is Debian's wrapper.
        psql = str(self._programs / "psql")
        argv = [psql, "--no-psqlrc", "--tuples-only", "--no-align", target]
        return _client(host, argv, "select 'ready';")

    def end(self) -> None:
        """
        End all servers, even with clients connected.
        """
        for server in self._servers:
            server.send_signal(signal.SIGINT)
        for server in self._servers:
            server.wait(_TIMEOUT)

    def _as_postgres(self, directory: Path) -> dict[str, Any]:
        return {"cwd": directory, "user": "postgres", "group": "postgres", "extra_groups": []}


class Redis:
    """
    Redis servers and redis-cli.
    """

    def __init__(self, directory: Path) -> None:
        """
        Store the servers' files in directory.
        """
        self._directory = directory
        if shutil.which("redis-server") is None:
            raise LabError("needs Debian's package redis-server")

    def start(self, host: Host, port: int, settings: str) -> subprocess.Popen[str]:
        """
        Start a server with these lines added to its configuration.
        """
        file = self._directory / f"{host.name}-{port}.conf"
        file.write_text(
            f'bind * -::*\nport {port}\nprotected-mode no\nsave ""\ndir {self._directory}\n'
            f"{settings}\n"
        )
        return host.start(["redis-server", str(file)], stdout=subprocess.DEVNULL)

    def connect(self, host: Host, address: str, port: int, options: str) -> Client:
        """
        Connect a client with these additional words on its command line.
        """
        argv = ["redis-cli", "-h", address, "-p", str(port), *options.split()]
        return _client(host, argv, "echo ready")


class OpenSSH:
    """
    SSH servers, and ssh with an authorized key.
    """

    def __init__(self, directory: Path) -> None:
        """
        Create the keys. They and the servers' files are in directory.
        """
        self._directory = directory
        if not _SSHD.exists():
            raise LabError("needs Debian's package openssh-server")
        _SSHD_RUN.mkdir(mode=0o755, exist_ok=True)
        for name in ("server-key", "client-key"):
            key = directory / name
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)

    def start(self, host: Host, port: int, settings: str) -> subprocess.Popen[str]:
        """
        Start a server with these lines added to its configuration.
        """
        # sshd uses the first value of a keyword. Included files of the machine are left out.
        defaults = "".join(
            line
            for line in _SSHD_DEFAULTS.read_text().splitlines(keepends=True)
            if not line.startswith("Include")
        )
        # OpenSSH 9.8 and newer temporarily refuses addresses whose clients did not log in.
        if b"persourcepenalties" in _SSHD.read_bytes():
            settings += "\nPerSourcePenalties no"
        file = self._directory / f"{host.name}-{port}.conf"
        file.write_text(
            f"{settings}\nPort {port}\nHostKey {self._directory}/server-key\n"
            f"AuthorizedKeysFile {self._directory}/client-key.pub\nStrictModes no\nPidFile none\n"
            f"{defaults}"
        )
        with file.with_suffix(".log").open("w") as log:
            return host.start([str(_SSHD), "-D", "-e", "-f", str(file)], stderr=log)

    def connect(self, host: Host, address: str, port: int, options: str) -> Client:
        """
        Connect a client with these additional options, each as name=value.
        """
        all_options = [
            f"UserKnownHostsFile={self._directory}/known-hosts",
            "StrictHostKeyChecking=no",
            # Not BatchMode, which enables ServerAliveInterval in Debian's ssh.
            "PasswordAuthentication=no",
            "LogLevel=ERROR",
            *options.split(),
        ]
        argv = ["ssh", "-F", "none", "-i", f"{self._directory}/client-key", "-p", str(port)]
        argv += [word for option in all_options for word in ("-o", option)]
        return _client(host, [*argv, f"root@{address}", "cat"], "ready")


@contextmanager
def software(directory: Path) -> Iterator[dict[str, Software]]:
    """
    All server programs by name. Their files are in directory.
    """
    with PostgreSQL.installed() as postgresql:
        yield {"PostgreSQL": postgresql, "Redis": Redis(directory), "OpenSSH": OpenSSH(directory)}


def wait_for_ports(host: Host, ports: Collection[int]) -> None:
    """
    Wait until each of the ports has a listener.
    """
    end = time.monotonic() + _TIMEOUT
    while missing := set(ports) - _listening_ports(host):
        assert time.monotonic() < end, f"no listener on {missing} of {host}"
        time.sleep(0.05)


def _listening_ports(host: Host) -> set[int]:
    lines = host.run(["ss", "-Hltn"]).stdout.splitlines()
    return {int(line.split()[3].rpartition(":")[2]) for line in lines}


def _client(host: Host, argv: Sequence[str], question: str) -> Client:
    process = host.start(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=1)
    return Client(process, question)

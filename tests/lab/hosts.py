"""
A host: one network namespace with its own sysctls, addresses, sockets and processes.
"""

import ctypes
import itertools
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from pathlib import Path
from socket import AF_INET, AF_INET6, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET
from typing import Any, ParamSpec, Self, TypeVar

from .guard import watch
from .requirements import require
from .traffic import Keepalive, Socket, abort

_P = ParamSpec("_P")
_T = TypeVar("_T")

NAMESPACES = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_numbers = itertools.count(1)


class Host:
    """
    One network namespace, with loopback up and every sysctl at the kernel's default.

    The end of the `with` block or `close` removes it with all its sockets and processes. So does
    the end of the Python process, whatever its cause.
    """

    def __init__(
        self, label: str = "host", *, address: str = "127.0.0.1", address6: str = "::1"
    ) -> None:
        """
        Create the namespace. The addresses are only stored; `ip` assigns them to a device.
        """
        require()
        self.name = f"lab-{os.getpid()}-{next(_numbers)}-{label}"
        self.address = address
        self.address6 = address6
        self._cleanup = ExitStack()
        watch()
        _ip("netns", "add", self.name)
        self._cleanup.callback(_ip, "netns", "delete", self.name)
        self._cleanup.callback(_end_all, self.name)
        self.ip("link set lo up")

    def __enter__(self) -> Self:
        """
        Nothing to do: the namespace exists from the start.
        """
        return self

    def __exit__(self, *exception: object) -> None:
        """
        Remove the host.
        """
        self.close()

    def __repr__(self) -> str:
        """
        Name the namespace, for the output of failed assertions.
        """
        return f"<{type(self).__name__} {self.name}>"

    def close(self) -> None:
        """
        End the host's processes, abort its sockets and remove its namespace.
        """
        self._cleanup.close()

    def address_of(self, family: int) -> str:
        """
        Return the host's address in an address family.
        """
        return self.address6 if family == AF_INET6 else self.address

    def ip(self, script: str) -> None:
        """
        Run `ip` commands inside the namespace, one per line, each without the leading `ip`.
        """
        _ip("-netns", self.name, "-batch", "-", script=script)

    def sysctl(self, name: str, value: object = None) -> str:
        """
        Set a sysctl of this namespace if a value is given; return its current value.
        """
        path = Path("/proc/sys", *name.split("."))
        if value is not None:
            self.call(path.write_text, f"{value}\n")
        return self.call(path.read_text).strip()

    def call(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """
        Run a function in a thread that has entered the namespace, and return what it returns.

        A socket keeps the namespace it was created in, so sockets that the function creates can be
        used from any thread afterwards. Only setns is per thread.
        """
        outcome: Future[_T] = Future()

        def inside() -> None:
            try:
                _enter(NAMESPACES / self.name)
                outcome.set_result(function(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - raised again by result()
                outcome.set_exception(error)

        # A daemon thread: a function that never returns must not keep the process from ending.
        threading.Thread(target=inside, name=self.name, daemon=True).start()
        return outcome.result()

    def start(self, argv: Sequence[str], **options: Any) -> subprocess.Popen[str]:
        """
        Start a process inside the namespace. It ends with the host.

        The options are those of Popen. By default, input is empty and pipes carry text.
        """
        # A child starts in the namespace of the thread that forks, so nsenter is not needed. Its
        # own session keeps a Ctrl-C at the terminal from ending it before the lab does.
        options = {"stdin": subprocess.DEVNULL, "text": True, "start_new_session": True} | options
        process: subprocess.Popen[str] = self.call(lambda: subprocess.Popen(argv, **options))
        self._cleanup.callback(_end, process)
        return process

    def run(
        self,
        argv: Sequence[str],
        *,
        input: str = "",  # noqa: A002 - as subprocess.run calls it
        check: bool = True,
        timeout: float = 30,
        **options: Any,
    ) -> subprocess.CompletedProcess[str]:
        """
        Run a command inside the namespace, as `subprocess.run` does, for at most timeout seconds.
        """
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        process = self.start(argv, **(pipes | options))
        try:
            output, errors = process.communicate(input, timeout=timeout)
        except BaseException:
            _end(process)
            raise
        finished = subprocess.CompletedProcess(argv, process.returncode, output, errors)
        if check and process.returncode != 0:
            raise _failure(finished)
        return finished

    def sockets(self, count: int, family: int = AF_INET) -> list[Socket]:
        """
        Create many TCP sockets inside the namespace at once. The end of the host aborts them.
        """

        def create() -> list[Socket]:
            return [self.adopt(Socket(family, SOCK_STREAM)) for _ in range(count)]

        return self.call(create)

    def socket(self, family: int = AF_INET) -> Socket:
        """
        Create one TCP socket inside the namespace.
        """
        return self.sockets(1, family)[0]

    def listener(self, family: int = AF_INET, port: int = 0) -> Socket:
        """
        Listen on the host's address. `getsockname()` has the port if none is given.
        """
        listener = self.socket(family)
        listener.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        listener.bind((self.address_of(family), port))
        listener.listen(1024)
        return listener

    def connect(
        self, address: str, port: int, *, keepalive: Keepalive | None = None, timeout: float = 5
    ) -> Socket:
        """
        Connect from this host within timeout seconds; returns a blocking socket.
        """
        connection = self.socket(AF_INET6 if ":" in address else AF_INET)
        if keepalive is not None:
            keepalive.apply(connection)
        connection.settimeout(timeout)
        connection.connect((address, port))
        connection.settimeout(None)
        return connection

    def adopt(self, sock: Socket) -> Socket:
        """
        Abort a socket, such as one that `accept` returned, at the end of the host.
        """
        self._cleanup.callback(abort, sock)
        return sock


def link(one: Host, device: str, other: Host, other_device: str) -> None:
    """
    Join two hosts by a veth pair. Both ends are created inside their namespaces.
    """
    one.ip(f"link add {device} type veth peer name {other_device} netns {other.name}")


def _end_all(name: str) -> None:
    """
    End processes that have left their process group, such as the children of sshd.
    """
    for number in map(int, _ip("netns", "pids", name).split()):
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)


def _ip(*arguments: str, script: str | None = None) -> str:
    argv = ["ip", *arguments]
    finished = subprocess.run(argv, input=script, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise _failure(finished)
    return finished.stdout


def _failure(finished: subprocess.CompletedProcess[str]) -> subprocess.CalledProcessError:
    error = subprocess.CalledProcessError(
        finished.returncode, finished.args, finished.stdout, finished.stderr
    )
    # CalledProcessError itself does not show stderr.
    error.add_note(finished.stderr or "stderr was empty")
    return error


def _enter(namespace: Path) -> None:
    # os.setns exists since Python 3.12.
    libc = ctypes.CDLL(None, use_errno=True)
    with namespace.open("rb") as file:
        if libc.setns(file.fileno(), _CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(namespace))


def _end(process: subprocess.Popen[str]) -> None:
    with process:  # closes its pipes and reaps it
        if process.poll() is not None:
            return
        # The process leads its own group, so its children end with it. It has not been reaped yet,
        # so its process id cannot have been reused.
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)

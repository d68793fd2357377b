"""
An application that holds connections: `python -m tests.demo.app --help`, inside a lab's host.

Like many applications, it notices a dead connection only when it uses it.
"""

import argparse
import errno
import itertools
import time
from dataclasses import dataclass
from pathlib import Path
from socket import create_connection
from threading import Thread
from typing import NoReturn

from tests.lab import Keepalive

_RETRY_AFTER = 1.0


@dataclass(frozen=True)
class App:
    """
    An application's name, keepalive, and seconds between uses of a connection (None: never).
    """

    name: str
    keepalive: Keepalive | None
    use_every: float | None

    def hold(self, server: tuple[str, int], *, report: bool = False) -> NoReturn:
        """
        Keep a connection open, and reopen it whenever it ends. report prints each error.
        """
        while True:
            waiting_since = time.monotonic()
            try:
                with create_connection(server) as connection:
                    if self.keepalive is not None:
                        self.keepalive.apply(connection)
                    while True:
                        if self.use_every is not None:
                            time.sleep(self.use_every)
                            connection.sendall(b"?")
                        waiting_since = time.monotonic()
                        connection.recv(1)
            except OSError as error:
                if report:
                    self._print(error, time.monotonic() - waiting_since)
                time.sleep(_RETRY_AFTER)

    def _print(self, error: OSError, waited: float) -> None:
        name = errno.errorcode.get(error.errno or 0, str(error))
        now = time.strftime("%H:%M:%S")
        print(f"{now}  {self.name} waited for {waited:.0f} s, then got {name}", flush=True)


def main() -> NoReturn:
    """
    Hold connections until killed.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.demo.app", description=main.__doc__)
    flag = parser.add_argument
    flag("name")
    flag("port", type=int)
    flag("addresses", nargs="+")
    flag("--connections", type=int, default=4)
    flag("--use-every", type=float, metavar="SECONDS", help="default: never")
    flag("--keepalive", type=int, nargs="*", help="TIME INTERVAL PROBES; default: sysctls")
    options = parser.parse_args()
    keepalive = None if options.keepalive is None else Keepalive(*options.keepalive)
    app = App(options.name, keepalive, options.use_every)
    Path("/proc/self/comm").write_text(app.name)
    turns = itertools.cycle((address, options.port) for address in options.addresses)
    first, *others = itertools.islice(turns, options.connections)
    for server in others:
        Thread(target=app.hold, args=(server,), daemon=True).start()
    app.hold(first, report=True)


if __name__ == "__main__":
    main()

"""
The loop of a client program: it prints `ready`, and for each line on standard input it makes one
request and prints `ok`, or `error` and the name of the error. It connects at the first one.
"""

import sys
from collections.abc import Callable


def answer(make: Callable[[], Callable[[], object]]) -> None:
    """
    Call what make returns for each line, until standard input ends.
    """
    use = None
    print("ready", flush=True)
    for _ in sys.stdin:
        try:
            use = use or make()
            use()
        except Exception as error:  # noqa: BLE001  whatever the library raises
            print("error", type(error).__name__, flush=True)
        else:
            print("ok", flush=True)

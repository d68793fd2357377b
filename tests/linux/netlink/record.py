"""
Records captures/: real messages of every kind, small enough to be committed.

    python -m tests.linux.netlink.record DIRECTORY

Run as root on the kernel to be recorded. It opens the sockets of population.py, all on loopback
with documentation addresses, dumps them as the exporter does, and keeps the first two messages of
each kind: of each family, state, timer, length and cgroup.
"""

import sys
import time
from collections import Counter
from pathlib import Path
from platform import release

from tests.linux.netlink.capture import capture, messages
from tests.linux.netlink.population import population
from tests.linux.netlink.reference import attributes

_CONNECTIONS = 500
_OF_EACH_KIND = 2
_BARE, _CGROUP_ID = 88, 21


def thinned(data: bytes) -> bytes:
    """
    The first messages of each kind, in order, including the ends of the dumps.
    """
    seen: Counter[tuple[object, ...]] = Counter()
    kept: list[bytes] = []
    for message in messages(data):
        cgroup = attributes(message).get(_CGROUP_ID) if len(message) > _BARE else None
        kind = (len(message), message[4:6] + message[16:19], cgroup)
        seen[kind] += 1
        if seen[kind] <= _OF_EACH_KIND:
            kept.append(message)
    return b"".join(kept)


def main() -> None:
    """
    Write linux-X.Y.bin to the given directory.
    """
    version = ".".join(release().split(".")[:2])
    with population(_CONNECTIONS) as everyone:
        time.sleep(2)  # for unanswered keepalive probes
        data = thinned(everyone.host.call(capture))
    Path(sys.argv[1], f"linux-{version}.bin").write_bytes(data)


if __name__ == "__main__":
    main()

"""
The commands that help when connections hang: they end those, and protect the remaining ones.
"""

import re
import shlex

from exporter.connections.advice import HANGING
from exporter.connections.format import endpoint
from exporter.connections.rows import Connection
from exporter.model import HOST_NETNS
from exporter.text.escaping import printable


def rescue_commands(row: Connection) -> tuple[str, ...]:
    """
    The command lines for a connection that hangs, `reset` and `protect`; none for others.

    They select its workload, or without one its remote address and port.
    """
    if row.advice not in HANGING:
        return ()
    flags = ["--apply"]
    if row.netns != HOST_NETNS:
        flags += ["--namespaces", "all"]
    if row.workload is not None and printable(row.workload) == row.workload:
        # For fnmatch(), which takes these characters as wildcards.
        flags += ["--workload", re.sub(r"([*?[])", r"[\1]", row.workload)]
    else:
        flags += ["--remote", endpoint(row.remote, row.remote_port)]
    return tuple(
        shlex.join(["tcp-keepalive-exporter", command, *flags]) for command in ("reset", "protect")
    )

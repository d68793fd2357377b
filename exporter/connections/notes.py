"""
What a look could not see, and why.
"""

from exporter.analysis.findings.phrases import plural
from exporter.connections.listing import Look


def notes(look: Look) -> list[str]:
    """
    A sentence for each thing that could not be seen.
    """
    said = []
    if look.first and look.by_risk.total():
        said.append(
            "This was the first look. The peers' probes have not been seen yet: a connection with"
            " protection none may be kept alive by its peer, and be idle for less than is shown."
            " One that hangs may not show as stalled yet."
        )
    if look.unnamed:
        said.append(f"{look.unnamed[0].upper()}{look.unnamed[1:]}.")
    for why, problem in look.unread.items():
        number = plural(len(problem.names) + problem.untried, "network namespace")
        names = f" ({min(problem.names)} among them)" if problem.names else ""
        said.append(f"{number} could not be read{names}: {why}.")
    rows = look.connections
    if any(not row.keepalive.exact and row.keepalive.on for row in rows):
        said.append(
            "Keepalive times with >= are the least that they can be, until a timer has been seen to"
            " fire; protection own may turn out to be late."
        )
    if without := sum(row.process is None for row in rows):
        said.append(
            f"The process is not known of {without} of the {len(rows)} connections shown: those of"
            " other users take CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH (or root), those outside"
            " this container the host's PID namespace."
        )
    if without := sum(row.process is not None and not row.keepalive.exact for row in rows):
        said.append(
            f"The socket's options could not be read of {without} of the {len(rows)} connections"
            " shown: that takes CAP_SYS_PTRACE (or root), and Linux 5.6."
        )
    return said

"""
One connection in words, for a terminal or a page: each of its columns.
"""

from exporter.connections.row import Connection
from exporter.model import HOST_NETNS, NO_PATH, Direction, Risk, Timer
from exporter.text.wording import duration, printable

RISKS = {
    Risk.STALLED: "stalled",
    Risk.AT_RISK: "at risk",
    Risk.UNPROTECTED: "unprotected",
    Risk.UNKNOWN: "unknown",
    Risk.SAFE: "safe",
    Risk.NO_PATH: "crossing no path",
}
"""What so many connections are."""

_TIMERS = {
    Timer.NONE: "no timer",
    Timer.RETRANSMIT: "retransmit",
    Timer.KEEPALIVE: "check",
    Timer.ZERO_WINDOW: "zero window",
}


def risk(row: Connection) -> str:
    """
    What one connection is.
    """
    return RISKS[row.risk].removeprefix("crossing ")


def protection(row: Connection) -> str:
    """
    What will refresh its path's mapping.
    """
    return row.protection.name.lower()


def idle(row: Connection) -> str:
    """
    How long it has been idle, of its path's timeout.
    """
    seconds = "?" if row.idle is None else duration(row.idle)
    return f"{seconds} of {duration(row.path.idle_timeout)}" if row.path else seconds


def idle_state(row: Connection) -> str:
    """
    The idle state or, while something is unanswered, for how long the peer has been silent.
    """
    if row.unanswered and row.received is not None:
        return f"silent {duration(row.received)}"
    return row.idle_state.name.lower().replace("_", " ")


def keepalive(row: Connection) -> str:
    """
    Such as 2h + 9 x 75s: the first probe after two hours, then nine, 75 s apart.
    """
    known = row.keepalive
    if not known.on:
        return "?" if known.on is None else "off"
    if known.time is None:
        return "on"
    words = f"{'' if known.exact else '>= '}{duration(known.time)}"
    if known.interval is not None:
        words += f" + {known.probes} x {known.interval:g}s"
    return words


def timer(row: Connection) -> str:
    """
    What the kernel does next.
    """
    words = _TIMERS.get(row.timer, row.timer.name.lower())
    if row.expires is not None:
        words += f" in {duration(row.expires)}"
    if row.unanswered:
        words += f", {row.unanswered} unanswered"
    if row.keepalive.user_timeout:
        words += f", user timeout {duration(row.keepalive.user_timeout)}"
    return words


def remote(row: Connection) -> str:
    """
    The far end, and who connected.
    """
    address = f"[{row.remote}]" if ":" in row.remote else row.remote
    arrow = "<-" if row.direction is Direction.INBOUND else "->"
    return f"{arrow} {address}:{row.remote_port}"


def path(row: Connection) -> str:
    """
    The path and, of an inbound connection, the port that it came in at.
    """
    port = f" :{row.local_port}" if row.direction is Direction.INBOUND else ""
    return (row.path.name if row.path else NO_PATH) + port


def workload(row: Connection) -> str:
    """
    Whose it is, and the network namespace unless it is this one's or of the same name; with nothing
    in it that is not to be printed.
    """
    name = "?" if row.workload is None else printable(row.workload)
    if row.netns in (HOST_NETNS, row.workload):
        return name
    return f"{name} in {printable(row.netns)}"


def process(row: Connection) -> str:
    """
    The process, with nothing in its name that is not to be printed, or else the user.
    """
    if row.process is None:
        return f"uid {row.uid}"
    return f"{printable(row.process.name)}[{row.process.pid}]"

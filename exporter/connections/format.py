"""
The columns of one connection as text, for a terminal or a page.
"""

from exporter.connections.rows import Connection
from exporter.model import HOST_NETNS, NO_PATH, Direction, Risk, Timer
from exporter.text.escaping import printable
from exporter.text.wording import duration

RISKS = {
    Risk.STALLED: "stalled",
    Risk.UNANSWERED: "unanswered",
    Risk.AT_RISK: "at risk",
    Risk.UNPROTECTED: "unprotected",
    Risk.PEER_CLOSED: "closed by peer",
    Risk.UNKNOWN: "unknown",
    Risk.SAFE: "safe",
    Risk.NO_PATH: "on no path",
}
"""As in: 5 at risk, 2 on no path."""

_TIMERS = {
    Timer.NONE: "no timer",
    Timer.RETRANSMIT: "retransmit",
    Timer.KEEPALIVE: "check",
    Timer.ZERO_WINDOW: "zero window",
}


def risk(row: Connection) -> str:
    """
    As in RISKS, for a single connection.
    """
    return RISKS[row.risk].removeprefix("on ")


def protection(row: Connection) -> str:
    """
    What refreshes its path's mapping; none? and late? if perhaps the peer does.
    """
    return row.protection.name.lower() + "?" * row.presumed


def idle(row: Connection) -> str:
    """
    The idle time, and the timeout of its path if it crosses one.
    """
    seconds = "?" if row.idle is None else duration(row.idle)
    return f"{seconds} of {duration(row.path.idle_timeout)}" if row.path else seconds


def idle_state(row: Connection) -> str:
    """
    The idle state or, while segments are unanswered, the time since the peer last sent anything.
    """
    if row.unanswered and row.received is not None:
        return f"silent {duration(row.received)}"
    return row.idle_state.name.lower().replace("_", " ")


def keepalive(row: Connection) -> str:
    """
    For example 2h + 9 x 75s: first probe after two hours, up to nine probes 75 s apart.
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
    The running kernel timer, unanswered segments and TCP_USER_TIMEOUT.
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
    The remote address, with an arrow for the direction.
    """
    arrow = "<-" if row.direction is Direction.INBOUND else "->"
    return f"{arrow} {endpoint(row.remote, row.remote_port)}"


def endpoint(address: str, port: int) -> str:
    """
    An address and port, as in 203.0.113.1:443 and [2001:db8::1]:443.
    """
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def path(row: Connection) -> str:
    """
    The path and, for inbound connections, the local port.
    """
    port = f" :{row.local_port}" if row.direction is Direction.INBOUND else ""
    return (row.path.name if row.path else NO_PATH) + port


def workload(row: Connection) -> str:
    """
    The workload, with unprintable characters escaped.

    The network namespace follows unless it is the host's or has the workload's name.
    """
    name = "?" if row.workload is None else printable(row.workload)
    if row.netns in (HOST_NETNS, row.workload):
        return name
    return f"{name} in {printable(row.netns)}"


def process(row: Connection) -> str:
    """
    The process, with unprintable characters escaped, or the user if the process is unknown. The
    client that it probably uses follows, as in java[4211] pgjdbc?
    """
    if row.process is None:
        return f"uid {row.uid}"
    client = row.hint.client
    guess = f" {client.id}?" if client and not row.hint.certain else ""
    return f"{printable(row.process.name)}[{row.process.pid}]{guess}"

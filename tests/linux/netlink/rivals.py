"""
The same sockets, as decoded by pyroute2 and listed by ss.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Any

from pyroute2.netlink.diag import SOCK_DIAG_BY_FAMILY, MarshalDiag

from tests.linux.netlink.population import SIGNING_KEY
from tests.linux.netlink.reference import Row

SS = ("ss", "--tcp", "--all", "--numeric", "--options", "--extended", "--info", "-OH")

_STATES = (
    "UNKNOWN",
    "ESTAB",
    "SYN-SENT",
    "SYN-RECV",
    "FIN-WAIT-1",
    "FIN-WAIT-2",
    "TIME-WAIT",
    "UNCONN",
    "CLOSE-WAIT",
    "LAST-ACK",
    "LISTEN",
    "CLOSING",
)
_TIMERS = ("off", "on", "keepalive", "timewait", "persist", "unknown")
_TIMER = re.compile(r"timer:\((\w+),([^,]*),(\d+)\)")
_DURATION = re.compile(r"(?:(\d+)min)?(?:(\d+)(?:sec|\.(?=\d)))?(?:(\d+)(?:ms|sec))?")


def by_pyroute2(data: bytes) -> list[Row]:
    """
    The connections in complete datagrams, decoded by pyroute2.
    """
    return [
        _row(message)
        for message in MarshalDiag().parse(data)
        if message["header"]["type"] == SOCK_DIAG_BY_FAMILY
    ]


def _row(message: Any) -> Row:
    info = message.get_attr("INET_DIAG_INFO")

    def number(field: str) -> int:
        return -1 if info is None else int(info[field])

    def seconds(field: str, units: int = 1000) -> float | None:
        return None if info is None else info[field] / units

    return Row(
        cookie=message["idiag_cookie"],
        family=message["idiag_family"],
        state=message["idiag_state"],
        timer=message["idiag_timer"],
        unanswered=message["idiag_retrans"],
        local=as_number(message["idiag_src"]),
        remote=as_number(message["idiag_dst"]),
        local_port=message["idiag_sport"],
        remote_port=message["idiag_dport"],
        expires=message["idiag_expires"] / 1000,
        receive_queue=message["idiag_rqueue"],
        send_queue=message["idiag_wqueue"],
        uid=message["idiag_uid"],
        inode=message["idiag_inode"],
        cgroup=message.get_attr("INET_DIAG_CGROUP_ID") or 0,
        retransmits=number("tcpi_retransmits"),
        probes=number("tcpi_probes"),
        backoff=number("tcpi_backoff"),
        unacked=number("tcpi_unacked"),
        busy=seconds("tcpi_busy_time", 1_000_000),
        last_data_sent=seconds("tcpi_last_data_sent"),
        last_data_received=seconds("tcpi_last_data_recv"),
        last_ack_received=seconds("tcpi_last_ack_recv"),
        segments_out=number("tcpi_segs_out"),
        segments_in=number("tcpi_segs_in"),
        bytes_acked=number("tcpi_bytes_acked"),
        bytes_sent=number("tcpi_bytes_sent"),
        bytes_retransmitted=number("tcpi_bytes_retrans"),
        mptcp=bytes.fromhex((message.get_attr("INET_DIAG_ULP_INFO") or "").replace(":", ""))[4:10]
        == b"mptcp\0",
    )


def as_number(address: str) -> int:
    """
    An IPv6 address as a number; IPv4 addresses in mapped form.
    """
    parsed = ip_address(address)
    return int(parsed if isinstance(parsed, IPv6Address) else IPv6Address(f"::ffff:{parsed}"))


@dataclass(frozen=True, slots=True)
class Listed:
    """
    One socket as listed by `ss`, which leaves out zeros.

    exact has the values that must equal the columns of the same names; ages are seconds; expires is
    the interval in seconds that the rounded text represents.
    """

    cookie: int
    exact: dict[str, int]
    ages: dict[str, float]
    expires: tuple[float, float]


def parse_ss(listing: str) -> Iterator[Listed]:
    """
    The sockets in the output of ss with the arguments of `SS`.
    """
    # ss writes TCP-MD5 keys at the start of the output, not after their sockets.
    for line in listing.lstrip(SIGNING_KEY.decode()).splitlines():
        state, receive_queue, send_queue, local, remote, *details = line.split()
        fields = dict(word.split(":", 1) for word in details if re.match(r"[a-z_]+:", word))
        timer, duration, unanswered = (
            found.groups() if (found := _TIMER.search(line)) else ("off", "", "0")
        )
        yield Listed(
            cookie=int(fields["sk"], 16),
            exact={
                "state": _STATES.index(state),
                "timer": _TIMERS.index(timer),
                "unanswered": int(unanswered),
                "local": _address(local),
                "remote": _address(remote),
                "local_port": _port(local),
                "remote_port": _port(remote),
                "receive_queue": int(receive_queue),
                "send_queue": int(send_queue),
                "uid": int(fields.get("uid", 0)),
                "inode": int(fields["ino"]),
                "backoff": int(fields.get("backoff", 0)),
                "unacked": int(fields.get("unacked", 0)),
                "segments_out": int(fields.get("segs_out", 0)),
                "segments_in": int(fields.get("segs_in", 0)),
                "bytes_acked": int(fields.get("bytes_acked", 0)),
                "bytes_sent": int(fields.get("bytes_sent", 0)),
                "bytes_retransmitted": int(fields.get("bytes_retrans", 0)),
                "mptcp": "tcp-ulp-mptcp" in details,
            },
            ages={
                "busy": int(fields.get("busy", "0").removesuffix("ms")) / 1000,
                "last_data_sent": int(fields.get("lastsnd", 0)) / 1000,
                "last_data_received": int(fields.get("lastrcv", 0)) / 1000,
                "last_ack_received": int(fields.get("lastack", 0)) / 1000,
            },
            expires=_interval(duration),
        )


def _address(end: str) -> int:
    host = end.rpartition(":")[0].strip("[]")
    return as_number("::" if host == "*" else host)


def _port(end: str) -> int:
    port = end.rpartition(":")[2]
    return 0 if port == "*" else int(port)


def _interval(duration: str) -> tuple[float, float]:
    """
    Interpret a duration: ss writes 7199.9 s as 119min, 61.5 s as 1min1sec, 9.876 s as 9.876ms
    (Debian 13: 9.876sec) and 0.876 s as 876ms.
    """
    found = _DURATION.fullmatch(duration)
    assert found is not None, duration
    minutes, seconds, milliseconds = (int(part or 0) for part in found.groups())
    start = minutes * 60 + seconds + milliseconds / 1000
    if minutes > 9:
        return start, start + 60
    if minutes or seconds > 9:
        return start, start + 1
    return start, start

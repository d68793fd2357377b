"""
A NAT that expires idle connections, as cloud NATs do: netfilter with a short timeout.
"""

from typing import Literal

from .hosts import Host

OnTimeout = Literal["drop", "reset"]
"""
What the NAT does with a segment of an expired connection: drop it silently, or answer RST.
"""

_VERDICTS: dict[OnTimeout, str] = {"drop": "drop", "reset": "reject with tcp reset"}

# `loss` runs before connection tracking (priority raw), so that lost segments refresh no mapping.
# It does not affect ICMPv6, because neighbour discovery must continue. `expired` runs right after
# tracking and before routing: a segment from the server of an expired connection is addressed to
# the NAT itself, so it never reaches the forward hook, and the NAT's own TCP would answer RST.
_RULES = """
table inet lab {{
    chain loss {{
        type filter hook prerouting priority raw
    }}
    chain expired {{
        type filter hook prerouting priority mangle
        meta l4proto tcp ct state invalid {verdict}
    }}
    chain translate {{
        type nat hook postrouting priority srcnat
        oifname "outside" masquerade
    }}
}}
"""


class Nat(Host):
    """
    A router that masquerades what leaves through its device `outside`, for IPv4 and IPv6.
    """

    def __init__(self, *, idle_timeout: int, on_timeout: OnTimeout, label: str = "nat") -> None:
        """
        Create the namespace and its rules. idle_timeout is in seconds.
        """
        super().__init__(label, address="203.0.113.1", address6="2001:db8::1")
        self.sysctl("net.ipv4.ip_forward", 1)
        self.sysctl("net.ipv6.conf.all.forwarding", 1)
        self._nft(_RULES.format(verdict=_VERDICTS[on_timeout]))
        # These sysctls exist only after a rule has enabled connection tracking in the namespace.
        # With tcp_loose at its default of 1, a mid-stream segment would create a new mapping, and
        # no connection would ever expire.
        self.sysctl("net.netfilter.nf_conntrack_tcp_loose", 0)
        self.forget_idle_after(idle_timeout)

    def forget_idle_after(self, seconds: int) -> None:
        """
        Change the idle timeout in seconds. It applies to a connection from its next segment on.

        It is the same for connections that one end or both have closed.
        """
        for state in ("established", "fin_wait", "close_wait"):
            self.sysctl(f"net.netfilter.nf_conntrack_tcp_timeout_{state}", seconds)

    def flush(self) -> None:
        """
        Remove all mappings at once, as the restart of a NAT does.
        """
        self.run(["conntrack", "--flush"])

    def lose(self, percent: int) -> None:
        """
        Lose this percentage of the TCP segments, at random, in both directions.
        """
        self._set_loss(f"meta l4proto tcp numgen random mod 100 < {percent} drop")

    def block(self) -> None:
        """
        Lose every TCP segment. Neither end gets an error, and the mappings age.
        """
        self._set_loss("meta l4proto tcp drop")

    def heal(self) -> None:
        """
        Stop losing segments. Mappings that expired during `block` stay expired.
        """
        self._set_loss()

    def _set_loss(self, rule: str = "") -> None:
        add = f"add rule inet lab loss {rule}" if rule else ""
        self._nft(f"flush chain inet lab loss\n{add}\n")

    def _nft(self, script: str) -> None:
        self.run(["nft", "--file", "-"], input=script)

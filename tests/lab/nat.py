"""
A NAT that forgets idle connections, as those of clouds do: netfilter with a short timeout.
"""

from typing import Literal

from .hosts import Host

OnTimeout = Literal["drop", "reset"]
"""
What the NAT does with a segment of a connection it has forgotten: nothing, or answer RST.
"""

_VERDICTS: dict[OnTimeout, str] = {"drop": "drop", "reset": "reject with tcp reset"}

# `weather` comes before connection tracking (priority raw), so that what is lost refreshes no
# mapping. It spares ICMPv6: neighbour discovery must go on. `forgotten` comes right after tracking
# and before routing, since a segment from the server of a forgotten connection is addressed to the
# NAT itself: in the forward hook it would never be seen, and the NAT's own TCP would answer RST.
_RULES = """
table inet lab {{
    chain weather {{
        type filter hook prerouting priority raw
    }}
    chain forgotten {{
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
    A router that masquerades what leaves by its device `outside`, for IPv4 and IPv6.
    """

    def __init__(self, *, idle_timeout: int, on_timeout: OnTimeout, label: str = "nat") -> None:
        """
        Make the namespace and its rules; idle_timeout is in seconds.
        """
        super().__init__(label, address="203.0.113.1", address6="2001:db8::1")
        self.sysctl("net.ipv4.ip_forward", 1)
        self.sysctl("net.ipv6.conf.all.forwarding", 1)
        self._nft(_RULES.format(verdict=_VERDICTS[on_timeout]))
        # These sysctls exist only once a rule has brought connection tracking into the namespace.
        # With tcp_loose at its default of 1 a segment in mid-stream would make a new mapping, and
        # nothing would ever be forgotten.
        self.sysctl("net.netfilter.nf_conntrack_tcp_loose", 0)
        self.forget_idle_after(idle_timeout)

    def forget_idle_after(self, seconds: int) -> None:
        """
        Change the idle timeout. A connection has the new one from its next segment on.
        """
        self.sysctl("net.netfilter.nf_conntrack_tcp_timeout_established", seconds)

    def flush(self) -> None:
        """
        Forget every connection at once, as a NAT does that is restarted.
        """
        self.run(["conntrack", "--flush"])

    def lose(self, percent: int) -> None:
        """
        Lose so many percent of the TCP segments, at random, in both directions.
        """
        self._weather(f"meta l4proto tcp numgen random mod 100 < {percent} drop")

    def block(self) -> None:
        """
        Lose every TCP segment: both ends see silence, and the mappings age.
        """
        self._weather("meta l4proto tcp drop")

    def heal(self) -> None:
        """
        Lose nothing any more. What `block` let run into its timeout stays forgotten.
        """
        self._weather()

    def _weather(self, rule: str = "") -> None:
        add = f"add rule inet lab weather {rule}" if rule else ""
        self._nft(f"flush chain inet lab weather\n{add}\n")

    def _nft(self, script: str) -> None:
        self.run(["nft", "--file", "-"], input=script)

"""
Profiles: the paths of each cloud, with their idle timeouts in seconds.

Sources of the figures: docs/paths.md.
"""

from enum import StrEnum

from exporter.model import Direction, OnTimeout, Path


class Profile(StrEnum):
    """
    A cloud's set of paths.
    """

    AZURE = "azure"
    AZURE_NAT_GATEWAY = "azure-nat-gateway"
    AKS = "aks"
    AWS = "aws"
    GCP = "gcp"
    NONE = "none"


def _path(
    name: str,
    direction: Direction,
    timeout: float,
    on_timeout: OnTimeout = OnTimeout.DROP,
    remote: str = "public",
) -> Path:
    return Path(name, direction, (remote,), timeout, on_timeout)


_AZURE_INBOUND = _path("azure-inbound", Direction.INBOUND, 240)

PROFILES: dict[Profile, tuple[Path, ...]] = {
    Profile.AZURE: (_path("azure-outbound", Direction.OUTBOUND, 240), _AZURE_INBOUND),
    Profile.AZURE_NAT_GATEWAY: (
        _path("azure-nat-gateway", Direction.OUTBOUND, 240),
        _AZURE_INBOUND,
    ),
    Profile.AKS: (
        _path("aks-outbound", Direction.OUTBOUND, 1800, OnTimeout.RESET),
        _AZURE_INBOUND,
    ),
    Profile.AWS: (
        _path("aws-nat-gateway", Direction.OUTBOUND, 350, OnTimeout.RESET),
        _path("aws-nlb", Direction.INBOUND, 350, OnTimeout.RESET),
    ),
    # The firewall also tracks traffic between private addresses, and times out before Cloud NAT.
    Profile.GCP: (_path("gcp-firewall", Direction.ANY, 600, remote="any"),),
    Profile.NONE: (),
}

"""
Profiles: the paths of each cloud, with their idle timeouts in seconds.

Sources of the figures: docs/paths.md.
"""

from enum import StrEnum

from exporter.model import Direction, OnTimeout, Path, Role


class Profile(StrEnum):
    """
    A set of paths: a cloud's, or those of a device that any cloud may have.

    auto stands for the profile of the detected cloud.
    """

    AUTO = "auto"
    AZURE = "azure"
    AZURE_NAT_GATEWAY = "azure-nat-gateway"
    AZURE_FIREWALL = "azure-firewall"
    AKS = "aks"
    AWS = "aws"
    AWS_NAT_GATEWAY = "aws-nat-gateway"
    AWS_ENI = "aws-eni"
    GCP = "gcp"
    OCI = "oci"
    ALIBABA = "alibaba"
    IPVS = "ipvs"
    CALICO_EBPF = "calico-ebpf"
    CILIUM = "cilium"
    NONE = "none"


def _path(  # noqa: PLR0913  one argument per column of the table
    name: str,
    direction: Direction,
    timeout: float,
    on_timeout: OnTimeout = OnTimeout.DROP,
    *,
    remote: str = "public",
    snat_ports: int | None = None,
) -> Path:
    return Path(name, direction, (remote,), timeout, on_timeout, Role.PROFILE, snat_ports)


_AZURE_INBOUND = _path("azure-inbound", Direction.INBOUND, 240)
_AWS = (
    _path("aws-nat-gateway", Direction.OUTBOUND, 350, OnTimeout.RESET, snat_ports=55_000),
    _path("aws-nlb", Direction.INBOUND, 350, OnTimeout.RESET),
)
_AWS_ENI = _path("aws-eni", Direction.ANY, 350, remote="any")

PROFILES: dict[Profile, tuple[Path, ...]] = {
    Profile.AZURE: (
        _path("azure-outbound", Direction.OUTBOUND, 240, snat_ports=1024),
        _AZURE_INBOUND,
    ),
    Profile.AZURE_NAT_GATEWAY: (
        _path("azure-nat-gateway", Direction.OUTBOUND, 240, OnTimeout.RESET, snat_ports=50_000),
        _AZURE_INBOUND,
    ),
    Profile.AZURE_FIREWALL: (
        _path("azure-firewall-outbound", Direction.OUTBOUND, 240, OnTimeout.RESET),
        _path("azure-firewall-private", Direction.ANY, 300, remote="private"),
        _AZURE_INBOUND,
    ),
    Profile.AKS: (
        _path("aks-outbound", Direction.OUTBOUND, 1800, OnTimeout.RESET, snat_ports=1024),
        _AZURE_INBOUND,
    ),
    # The interface is the first device on the route: it drops what the others would reset.
    Profile.AWS: (_AWS_ENI, *_AWS),
    Profile.AWS_NAT_GATEWAY: _AWS,
    Profile.AWS_ENI: (_AWS_ENI,),
    # The firewall also tracks traffic between private addresses, and times out before Cloud NAT.
    Profile.GCP: (_path("gcp-firewall", Direction.ANY, 600, remote="any"),),
    Profile.OCI: (_path("oci-nlb", Direction.INBOUND, 360),),
    Profile.ALIBABA: (_path("alibaba-nat-gateway", Direction.OUTBOUND, 900),),
    Profile.IPVS: (_path("ipvs", Direction.OUTBOUND, 900, remote="private"),),
    Profile.CALICO_EBPF: (_path("calico-ebpf", Direction.ANY, 3600, remote="any"),),
    Profile.CILIUM: (_path("cilium", Direction.ANY, 8000, remote="any"),),
    Profile.NONE: (),
}
"""All profiles except auto. A path's name has the same meaning in each of them."""

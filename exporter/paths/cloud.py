"""
The cloud that this host runs on.
"""

import re
from dataclasses import dataclass
from enum import StrEnum


class Cloud(StrEnum):
    """
    A cloud, or unknown: another one, or none.
    """

    AZURE = "azure"
    AWS = "aws"
    GCP = "gcp"
    OCI = "oci"
    ALIBABA = "alibaba"
    AKAMAI = "akamai"
    DIGITALOCEAN = "digitalocean"
    HETZNER = "hetzner"
    HUAWEI = "huawei"
    SCALEWAY = "scaleway"
    UPCLOUD = "upcloud"
    VULTR = "vultr"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class DetectedCloud:
    """
    The cloud that was detected, and the file that identifies it.

    is_aks: whether this is a node of AKS. instance_type is AWS's; tracks_connections: whether its
    network interfaces forget idle connections, None if unknown. problem is the reason why files
    cannot be read.
    """

    cloud: Cloud = Cloud.UNKNOWN
    file: str = ""
    is_aks: bool = False
    instance_type: str = ""
    tracks_connections: bool | None = None
    problem: str = ""


_INSTANCE_TYPE = re.compile(
    r"(?P<family>(?P<series>[a-z]+)-?(?P<generation>[0-9]+)[a-z0-9-]*)\.[a-z0-9-]+"
)
_LAST_WITHOUT = {
    series: generation
    for generation, names in {
        1: ("a", "h", "vt", "z"),
        2: ("dl", "f", "inf", "mac", "trn", "x"),
        3: ("d",),
        4: ("im", "is", "t"),
        5: ("p",),
        6: ("g",),
        7: ("c", "hpc", "i", "m", "r"),
    }.items()
    for series in names
}
"""The last generation of each series of which no family is Nitro v6."""
_TRACKING = re.compile("[cmrx]8i[a-z-]*|[cmr]8a|[cmr]8g[bn]|m8azn|m9gd?|x8aedz|i8ge|hpc8a|p6-b200")
_NOT_TRACKING = re.compile("[cmr]8gd?|x8g|i8g|p6e-gb200|u.*")
"""Nitro v5, high memory instances, and the exception among those with Nitro v6."""


def tracks_connections(instance_type: str) -> bool | None:
    """
    Whether the interfaces of an AWS instance forget connections idle for 350 s: from Nitro v6 on
    (EC2 API, ConnectionTrackingConfiguration; EC2 instance types, Nitro instances).

    None if the type or its Nitro version is unknown, as for families newer than this list.
    """
    match = _INSTANCE_TYPE.fullmatch(instance_type)
    if match is None:
        return None
    if _TRACKING.fullmatch(match["family"]):
        return True
    last = _LAST_WITHOUT.get(match["series"], 0)
    if _NOT_TRACKING.fullmatch(match["family"]) or int(match["generation"]) <= last:
        return False
    return None

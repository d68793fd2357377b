"""
The profile in force: as configured, of the detected cloud, or the default.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from exporter.model import Path
from exporter.paths.cloud import Cloud, DetectedCloud
from exporter.paths.profiles import PROFILES, Profile

DEFAULT = Profile.AZURE
"""Its timeouts are the shortest of all clouds."""

CLOUDS = {
    Profile.AZURE: Cloud.AZURE,
    Profile.AZURE_NAT_GATEWAY: Cloud.AZURE,
    Profile.AZURE_FIREWALL: Cloud.AZURE,
    Profile.AKS: Cloud.AZURE,
    Profile.AWS: Cloud.AWS,
    Profile.AWS_NAT_GATEWAY: Cloud.AWS,
    Profile.AWS_ENI: Cloud.AWS,
    Profile.GCP: Cloud.GCP,
    Profile.OCI: Cloud.OCI,
    Profile.ALIBABA: Cloud.ALIBABA,
}
"""The cloud of each profile. Other profiles may be used on any cloud."""
_OF_CLOUD = {cloud: Profile(cloud) for cloud in CLOUDS.values()}
"""The profile for a cloud has its name."""


class ProfileSource(StrEnum):
    """
    How the profile was chosen.
    """

    CONFIG = "config"
    DETECTED = "detected"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class ChosenProfile:
    """
    The profiles in force, without auto, and how they were chosen.
    """

    profiles: tuple[Profile, ...]
    source: ProfileSource
    cloud: DetectedCloud

    @property
    def label(self) -> str:
        """
        The names of the profiles, separated by commas.
        """
        return ",".join(self.profiles)

    @property
    def paths(self) -> tuple[Path, ...]:
        """
        The paths of all profiles, each once.
        """
        return paths_of(
            Profile.AWS_NAT_GATEWAY
            if profile is Profile.AWS and self.cloud.tracks_connections is False
            else profile
            for profile in self.profiles
        )

    @property
    def explanation(self) -> str:
        """
        One or more sentences: the profiles, how they were chosen, and what may be wrong with them.
        """
        cloud = self.cloud
        words = "profiles" if len(self.profiles) > 1 else "profile"
        how = {
            ProfileSource.CONFIG: "from the config file",
            ProfileSource.DETECTED: f"detected from {cloud.file}",
            ProfileSource.DEFAULT: "the default",
        }[self.source]
        kind = f" ({cloud.instance_type})" if cloud.instance_type else ""
        sentences = [f"{words.capitalize()} {', '.join(self.profiles)}, {how}{kind}."]
        if self.source is ProfileSource.CONFIG and cloud.file:
            sentences.append(f"The detected cloud is {cloud.cloud} ({cloud.file}).")
        if self.caution:
            sentences.append(self.caution)
        return " ".join(sentences)

    @property
    def caution(self) -> str:
        """
        A sentence about what could not be seen, and what to configure if it is wrong; may be empty.
        """
        if self.source is ProfileSource.DEFAULT:
            missing = (
                "No cloud was detected"
                if self.cloud.cloud is Cloud.UNKNOWN
                else f"No timeouts are known for {self.cloud.cloud}"
            )
            unread = f" ({self.cloud.problem})" if self.cloud.problem else ""
            return f"{missing}{unread}: Azure's idle timeouts apply, the shortest of all clouds."
        if self.source is ProfileSource.DETECTED and self.cloud.is_aks:
            return (
                "AKS drops idle outbound connections after 240 s with a NAT gateway and after"
                " 1800 s with outboundType loadBalancer. The cluster's outboundType cannot be seen"
                " from a node, so 240 s applies. With loadBalancer, set `profile: aks`."
            )
        if Profile.AWS in self.profiles and self.cloud.tracks_connections is None:
            kind = self.cloud.instance_type or "unknown"
            return (
                f"The Nitro version of this instance (type {kind}) is unknown. From Nitro v6 on,"
                " its interfaces drop connections that were idle for 350 s, so aws-eni applies."
                " Before Nitro v6, set `profile: aws-nat-gateway`."
            )
        return ""

    @property
    def contradicts_cloud(self) -> bool:
        """
        Whether the config file names profiles of other clouds only than the detected one.
        """
        named = {CLOUDS[profile] for profile in self.profiles if profile in CLOUDS}
        return (
            self.source is ProfileSource.CONFIG
            and self.cloud.cloud in _OF_CLOUD
            and bool(named)
            and self.cloud.cloud not in named
        )


def choose(configured: Sequence[Profile], cloud: DetectedCloud) -> ChosenProfile:
    """
    The profiles in force; auto is replaced by that of the cloud, or by the default.
    """
    if Profile.AUTO not in configured:
        return ChosenProfile(tuple(configured), ProfileSource.CONFIG, cloud)
    detected = _OF_CLOUD.get(cloud.cloud)
    if cloud.is_aks:
        detected = Profile.AZURE_NAT_GATEWAY
    found = detected or DEFAULT
    profiles = dict.fromkeys(found if each is Profile.AUTO else each for each in configured)
    source = ProfileSource.DETECTED if detected else ProfileSource.DEFAULT
    return ChosenProfile(tuple(profiles), source, cloud)


def paths_of(profiles: Iterable[Profile]) -> tuple[Path, ...]:
    """
    The paths of all these profiles, each once.
    """
    return tuple(dict.fromkeys(path for profile in profiles for path in PROFILES[profile]))

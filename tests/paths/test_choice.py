"""
The choice of the profile, and its explanation.
"""

import pytest

from exporter.paths.choice import CLOUDS, ProfileSource, choose
from exporter.paths.cloud import Cloud, DetectedCloud
from exporter.paths.profiles import PROFILES, Profile

ON_AZURE = DetectedCloud(Cloud.AZURE, "/sys/class/dmi/id/chassis_asset_tag")
ON_HETZNER = DetectedCloud(Cloud.HETZNER, "/sys/class/dmi/id/sys_vendor")


def on_aws(*, tracks: bool | None) -> DetectedCloud:
    """
    An instance of AWS whose interfaces forget idle connections, or not, or perhaps.
    """
    return DetectedCloud(
        Cloud.AWS,
        "/sys/class/dmi/id/sys_vendor",
        instance_type="m5.large",
        tracks_connections=tracks,
    )


def test_config_takes_precedence() -> None:
    """
    A configured profile is in force on any cloud; the explanation has the detected one.
    """
    chosen = choose([Profile.AKS], ON_AZURE)
    assert (chosen.label, chosen.source) == ("aks", ProfileSource.CONFIG)
    assert chosen.explanation == (
        "Profile aks, from the config file. The detected cloud is azure"
        " (/sys/class/dmi/id/chassis_asset_tag)."
    )


def test_list_with_auto() -> None:
    """
    In a list, auto is replaced by the detected profile, which is not repeated.
    """
    chosen = choose([Profile.AUTO, Profile.IPVS, Profile.AZURE], ON_AZURE)
    assert (chosen.label, chosen.source) == ("azure,ipvs", ProfileSource.DETECTED)
    assert chosen.explanation == (
        "Profiles azure, ipvs, detected from /sys/class/dmi/id/chassis_asset_tag."
    )


@pytest.mark.parametrize(
    ("profiles", "tracks", "has_eni", "cautious"),
    [
        ([Profile.AWS], False, False, False),
        ([Profile.AWS], True, True, False),
        ([Profile.AWS], None, True, True),
        ([Profile.AWS_NAT_GATEWAY], True, False, False),
        ([Profile.AWS_NAT_GATEWAY], None, False, False),
        ([Profile.AWS_NAT_GATEWAY, Profile.AWS_ENI], False, True, False),
    ],
)
def test_interfaces_of_aws(
    profiles: list[Profile], tracks: bool | None, has_eni: bool, cautious: bool
) -> None:
    """
    The profile aws has aws-eni unless the instance is older than Nitro v6, with a caution if that
    is unknown. Other profiles override it.
    """
    chosen = choose(profiles, on_aws(tracks=tracks))
    assert ("aws-eni" in {path.name for path in chosen.paths}) == has_eni
    assert bool(chosen.caution) == cautious


@pytest.mark.parametrize(
    ("profiles", "cloud", "contradicts"),
    [
        ([Profile.AZURE], on_aws(tracks=False), True),
        ([Profile.AWS, Profile.GCP], ON_AZURE, True),
        ([Profile.AWS, Profile.AKS], ON_AZURE, False),
        ([Profile.AKS], ON_AZURE, False),
        ([Profile.AUTO], ON_AZURE, False),
        ([Profile.AUTO, Profile.AWS], ON_AZURE, False),
        ([Profile.NONE], ON_AZURE, False),
        ([Profile.IPVS, Profile.CILIUM], ON_AZURE, False),
        ([Profile.AWS], DetectedCloud(), False),
        ([Profile.AZURE], ON_HETZNER, False),
    ],
)
def test_contradiction(profiles: list[Profile], cloud: DetectedCloud, contradicts: bool) -> None:
    """
    A configured profile contradicts the cloud if it is another cloud's, and none is this one's.
    """
    assert choose(profiles, cloud).contradicts_cloud == contradicts


def test_every_profile_has_its_cloud() -> None:
    """
    Each cloud with a profile is in the table of clouds; presets belong to none.
    """
    presets = {Profile.IPVS, Profile.CALICO_EBPF, Profile.CILIUM, Profile.NONE}
    assert set(PROFILES) - set(CLOUDS) == presets

"""
Detection of the cloud, and the profile that follows from it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from exporter.paths.choice import choose
from exporter.paths.cloud import Cloud, DetectedCloud, tracks_connections
from exporter.paths.detection import detect_cloud
from exporter.paths.profiles import Profile

AZURE_TAG = "7783-7084-3265-9085-8269-3286-77"
AZURE = ["azure-outbound", "azure-inbound"]
AWS = ["aws-nat-gateway", "aws-nlb"]
NOTHING_DETECTED = "No cloud was detected"


class Expected(NamedTuple):
    """
    What follows from files: cloud, profile, source, paths, and words of the explanation.
    """

    cloud: str
    profile: str
    source: str
    paths: list[str]
    words: str


DEFAULT = Expected("unknown", "azure", "default", AZURE, NOTHING_DETECTED)


def without_profile(cloud: str) -> Expected:
    """
    What follows from a cloud whose timeouts are not known.
    """
    return Expected(cloud, "azure", "default", AZURE, f"No timeouts are known for {cloud}: Azure's")


MACHINES: dict[str, tuple[Mapping[str, str], Expected]] = {
    "Azure": (
        {
            "chassis_asset_tag": AZURE_TAG,
            "sys_vendor": "Microsoft Corporation",
            "product_name": "Virtual Machine",
        },
        Expected("azure", "azure", "detected", AZURE, "chassis_asset_tag"),
    ),
    "Hyper-V on premises": (
        {
            "chassis_asset_tag": "1234-5678-9012-3456-7890-1234-56",
            "sys_vendor": "Microsoft Corporation",
            "product_name": "Virtual Machine",
        },
        DEFAULT,
    ),
    "AWS, Nitro v6": (
        {"sys_vendor": "Amazon EC2", "product_name": "m8i.large"},
        Expected("aws", "aws", "detected", ["aws-eni", *AWS], "sys_vendor (m8i.large)."),
    ),
    "AWS, Nitro v4": (
        {"sys_vendor": "Amazon EC2", "product_name": "m6i.large"},
        Expected("aws", "aws", "detected", AWS, "sys_vendor (m6i.large)."),
    ),
    "AWS, bare metal": (
        {"sys_vendor": "Amazon EC2", "product_name": "m5.metal"},
        Expected("aws", "aws", "detected", AWS, "(m5.metal)"),
    ),
    "AWS, unknown type": (
        {"sys_vendor": "Amazon EC2", "product_name": "m9z.large"},
        Expected("aws", "aws", "detected", ["aws-eni", *AWS], "`profile: aws-nat-gateway`"),
    ),
    "AWS, no type": (
        {"sys_vendor": "Amazon EC2"},
        Expected("aws", "aws", "detected", ["aws-eni", *AWS], "(type unknown) is unknown"),
    ),
    "AWS, Xen": (
        {"../../../hypervisor/uuid": "ec2e1916-9099-7caf-fd21-012345abcdef"},
        Expected("aws", "aws", "detected", AWS, "hypervisor/uuid"),
    ),
    "Xen on premises": (
        {"../../../hypervisor/uuid": "48ec2e19-9099-7caf-fd21-012345abcdef", "sys_vendor": "Xen"},
        DEFAULT,
    ),
    "GCP": (
        {"sys_vendor": "Google", "product_name": "Google Compute Engine"},
        Expected("gcp", "gcp", "detected", ["gcp-firewall"], "product_name"),
    ),
    "OCI": (
        {"chassis_asset_tag": "OracleCloud.com", "sys_vendor": "QEMU"},
        Expected("oci", "oci", "detected", ["oci-nlb"], "chassis_asset_tag"),
    ),
    "Alibaba": (
        {"sys_vendor": "Alibaba Cloud", "product_name": "Alibaba Cloud ECS"},
        Expected("alibaba", "alibaba", "detected", ["alibaba-nat-gateway"], "product_name"),
    ),
    "DigitalOcean": ({"sys_vendor": "DigitalOcean"}, without_profile("digitalocean")),
    "Hetzner": ({"sys_vendor": "Hetzner"}, without_profile("hetzner")),
    "Linode": ({"sys_vendor": "Linode"}, without_profile("akamai")),
    "Akamai": ({"sys_vendor": "Akamai"}, without_profile("akamai")),
    "Vultr": ({"sys_vendor": "Vultr"}, without_profile("vultr")),
    "Scaleway": ({"sys_vendor": "Scaleway"}, without_profile("scaleway")),
    "UpCloud": ({"sys_vendor": "UpCloud"}, without_profile("upcloud")),
    "Huawei": ({"chassis_asset_tag": "HUAWEICLOUD"}, without_profile("huawei")),
    "bare metal": (
        {"chassis_asset_tag": "CZ12345", "sys_vendor": "HPE", "product_name": "ProLiant DL360"},
        DEFAULT,
    ),
    "KVM": ({"sys_vendor": "QEMU", "product_name": "Standard PC (Q35 + ICH9, 2009)"}, DEFAULT),
    "no DMI": ({}, DEFAULT),
    "empty": ({"chassis_asset_tag": "", "sys_vendor": "", "product_name": ""}, DEFAULT),
    "similar": (
        {"sys_vendor": "Amazon EC2 compatible", "chassis_asset_tag": f"x{AZURE_TAG}"},
        DEFAULT,
    ),
    "cloud-init only": (
        {"../../../../run/cloud-init/cloud-id": "gce"},
        Expected("gcp", "gcp", "detected", ["gcp-firewall"], "run/cloud-init/cloud-id"),
    ),
    "cloud-init, no cloud": ({"../../../../run/cloud-init/cloud-id": "nocloud"}, DEFAULT),
    "DMI before cloud-init": (
        {"sys_vendor": "Amazon EC2", "product_name": "t3.micro"}
        | {"../../../../run/cloud-init/cloud-id": "azure"},
        Expected("aws", "aws", "detected", AWS, "sys_vendor"),
    ),
}
"""Files below class/dmi/id with their content, by kind of machine."""


def machine(folder: Path, files: Mapping[str, str]) -> Path:
    """
    A sysfs in this folder, with these files below class/dmi/id.
    """
    dmi = folder / "sys/class/dmi/id"
    dmi.mkdir(parents=True)
    for name, content in files.items():
        file = dmi / name
        file.parent.resolve().mkdir(parents=True, exist_ok=True)
        file.write_text(f"{content}\n")
    return folder / "sys"


@pytest.mark.parametrize(("files", "expected"), MACHINES.values(), ids=MACHINES)
def test_machines(tmp_path: Path, files: Mapping[str, str], expected: Expected) -> None:
    """
    Each kind of machine gets its profile and paths, and the explanation has the evidence.
    """
    sysfs = machine(tmp_path, files)
    found = detect_cloud(sysfs, "node1")
    chosen = choose([Profile.AUTO], found)
    assert (found.cloud, chosen.label, chosen.source) == expected[:3]
    assert [path.name for path in chosen.paths] == expected.paths
    assert expected.words in chosen.explanation
    assert str(sysfs.parent) in found.file or found.cloud is Cloud.UNKNOWN


def test_aks_node(tmp_path: Path) -> None:
    """
    A node of AKS gets the shorter of its two possible timeouts, and the explanation says so.
    """
    sysfs = machine(tmp_path, {"chassis_asset_tag": AZURE_TAG})
    chosen = choose([Profile.AUTO], detect_cloud(sysfs, "aks-pool1-12345678-vmss000000"))
    assert (chosen.label, chosen.source) == ("azure-nat-gateway", "detected")
    assert min(path.idle_timeout for path in chosen.paths) == 240
    assert "set `profile: aks`" in chosen.caution
    elsewhere = detect_cloud(machine(tmp_path / "gcp", {"product_name": "GCE"}), "aks-node")
    assert not elsewhere.is_aks


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", b"\x00" * 300, b"Amazon EC2\x00", b"A" * 100_000]
)
def test_garbage(tmp_path: Path, content: bytes) -> None:
    """
    Garbage identifies no cloud.
    """
    sysfs = machine(tmp_path, {})
    for name in ("chassis_asset_tag", "sys_vendor", "product_name"):
        (sysfs / "class/dmi/id" / name).write_bytes(content)
    assert detect_cloud(sysfs, "") == DetectedCloud()


def test_unreadable(tmp_path: Path) -> None:
    """
    A file that cannot be read identifies no cloud, and the explanation has the reason.
    """
    sysfs = machine(tmp_path, {})
    (sysfs / "class/dmi/id/sys_vendor").mkdir()
    chosen = choose([Profile.AUTO], detect_cloud(sysfs, ""))
    assert chosen.source == "default"
    assert f"({sysfs}/class/dmi/id/sys_vendor: Is a directory)" in chosen.explanation


@pytest.mark.parametrize(
    ("tracks", "types"),
    [
        (
            True,
            "m8i.large m8i-flex.large c8id.metal-48xl r8i.xlarge c8in.large m8azn.large i8ge.large",
        ),
        (True, "m8a.large c8gn.large m9g.large x8aedz.large hpc8a.96xlarge p6-b200.48xlarge"),
        (False, "t2.nano t3.micro t4g.nano m5.metal m7i-flex.large m7a.large c6gn.large"),
        (
            False,
            "i7ie.metal-48xl m8g.large c8gd.large r8g.large x8g.large i8g.large hpc7a.96xlarge",
        ),
        (
            False,
            "u-6tb1.56xlarge u7i-12tb.224xlarge mac2-m2.metal trn2.48xlarge g6e.large z1d.large",
        ),
        (False, "p5en.48xlarge p6e-gb200.36xlarge"),
        (
            None,
            "m10i.large r9g.large p6-b300.48xlarge g7e.large trn3.48xlarge mac-m4.metal q1.large",
        ),
        (None, "m8i M8I.large"),
        (None, ""),
    ],
)
def test_instance_types(tracks: bool | None, types: str) -> None:
    """
    Interfaces forget idle connections from Nitro v6 on; it is unknown for families not listed.
    """
    for instance_type in types.split() or [""]:
        assert tracks_connections(instance_type) is tracks, instance_type

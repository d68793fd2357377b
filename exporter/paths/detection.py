"""
Detection of the cloud that this host runs on, from files of the kernel and of cloud-init.

Needs neither network nor privilege, and works in containers, which share the host's /sys/class/dmi.
The identifying values are those that cloud-init's ds-identify tests for.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from exporter.paths.cloud import Cloud, DetectedCloud, tracks_connections

_ASSET_TAG = "class/dmi/id/chassis_asset_tag"
_VENDOR = "class/dmi/id/sys_vendor"
_PRODUCT = "class/dmi/id/product_name"
_XEN_UUID = "hypervisor/uuid"
_CLOUD_ID = "run/cloud-init/cloud-id"

_IDENTIFYING = (
    # The vendor Microsoft Corporation also fits Hyper-V on premises.
    (_ASSET_TAG, "7783-7084-3265-9085-8269-3286-77", Cloud.AZURE),
    (_VENDOR, "Amazon EC2", Cloud.AWS),
    (_PRODUCT, "Google Compute Engine", Cloud.GCP),
    (_ASSET_TAG, "OracleCloud.com", Cloud.OCI),
    (_PRODUCT, "Alibaba Cloud ECS", Cloud.ALIBABA),
    (_VENDOR, "Akamai", Cloud.AKAMAI),
    (_VENDOR, "Linode", Cloud.AKAMAI),
    (_VENDOR, "DigitalOcean", Cloud.DIGITALOCEAN),
    (_VENDOR, "Hetzner", Cloud.HETZNER),
    (_ASSET_TAG, "HUAWEICLOUD", Cloud.HUAWEI),
    (_VENDOR, "Scaleway", Cloud.SCALEWAY),
    (_VENDOR, "UpCloud", Cloud.UPCLOUD),
    (_VENDOR, "Vultr", Cloud.VULTR),
)
_OF_CLOUD_INIT = {"gce": Cloud.GCP, "oracle": Cloud.OCI, "aliyun": Cloud.ALIBABA} | {
    cloud: cloud for cloud in Cloud if cloud is not Cloud.UNKNOWN
}
_MOST_BYTES = 256
_AKS_NODE = "aks-"
"""The names of AKS nodes begin with it; by DMI they are like any other machine of Azure."""


def detect_cloud(sysfs: Path, node_name: str) -> DetectedCloud:
    """
    The cloud that this host runs on, from the files in sysfs and from run/cloud-init beside it.

    node_name is the host's name, or that of the Kubernetes node.
    """
    problems: list[str] = []

    def read(file: Path) -> str:
        try:
            with file.open("rb") as stream:
                return stream.read(_MOST_BYTES).decode("ascii", "replace").strip()
        except (FileNotFoundError, NotADirectoryError):
            return ""
        except OSError as error:
            problems.append(f"{file}: {error.strerror}")
            return ""

    found = _identify(sysfs, read)
    if found is None:
        return DetectedCloud(problem="; ".join(problems))
    is_aks = found.cloud is Cloud.AZURE and node_name.startswith(_AKS_NODE)
    return replace(found, is_aks=is_aks)


def _identify(sysfs: Path, read: Callable[[Path], str]) -> DetectedCloud | None:
    dmi = {name: read(sysfs / name) for name in (_ASSET_TAG, _VENDOR, _PRODUCT)}
    for name, value, cloud in _IDENTIFYING:
        if dmi[name] == value:
            instance = dmi[_PRODUCT] if cloud is Cloud.AWS else ""
            return DetectedCloud(
                cloud,
                str(sysfs / name),
                instance_type=instance,
                tracks_connections=tracks_connections(instance),
            )
    if read(sysfs / _XEN_UUID).startswith("ec2"):  # older than Nitro
        return DetectedCloud(Cloud.AWS, str(sysfs / _XEN_UUID), tracks_connections=False)
    named = sysfs.parent / _CLOUD_ID
    by_name = _OF_CLOUD_INIT.get(read(named))
    return None if by_name is None else DetectedCloud(by_name, str(named))

"""
A sandbox like that of systemd or a container runtime: a read-only file system without home
directories, and no privileges except those granted.
"""

import sys
import sysconfig
from pathlib import Path

from tests.exporter_process import ROOT

_PYTHON = f"/mnt/python/bin/{Path(sys.executable).resolve().name}"
_PACKAGES = Path(sysconfig.get_path("purelib"))
# The checkout and Python may be in a home directory. Later mounts of the node are visible here too.
_MOUNTS = """
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir /mnt/checkout /mnt/python /mnt/packages
mount --bind "$1" /mnt/checkout
mount --bind "$2" /mnt/python
mount --bind "$3" /mnt/packages
for place in /home /root; do mount -t tmpfs -o mode=0 tmpfs $place; done
mount -t tmpfs tmpfs /tmp
mount -t proc -o "hidepid=$4" proc /proc
mount --bind /proc/sys /proc/sys
for place in / /sys /proc/sys; do mount -o remount,bind,ro $place; done
cd /mnt/checkout
export PYTHONPATH=/mnt/checkout:/mnt/packages LD_LIBRARY_PATH=/mnt/python/lib
shift 4
exec "$@"
"""


def sandbox(*, hidepid: str = "off") -> tuple[str, ...]:
    """
    Command prefix that runs a command in the sandbox. hidepid="invisible" hides other processes.
    """
    places = map(str, (ROOT, Path(sys.base_prefix).resolve(), _PACKAGES))
    unshare = ("unshare", "--mount", "--propagation=slave", "sh", "-euc", _MOUNTS, "sandbox")
    return (*unshare, *places, hidepid)


def python(module: str) -> tuple[str, ...]:
    """
    Command that runs a module of the checkout in the sandbox.
    """
    return (_PYTHON, "-m", module)


def privileges(user: int, capabilities: list[str], *, no_new: bool = True) -> tuple[str, ...]:
    """
    Command prefix that runs a command as a user with capabilities (lower case, without CAP_).

    no_new sets no_new_privs, so that set-uid programs cannot gain privileges.
    """
    kept = ",".join(("-all", *(f"+{each}" for each in capabilities)))
    kinds = ("bounding-set", "inh-caps", "ambient-caps")
    return (
        "setpriv",
        *(f"--reuid={user}", f"--regid={user}", "--clear-groups"),
        *(f"--{kind}={kept}" for kind in kinds),
        *(("--no-new-privs",) if no_new else ()),
    )

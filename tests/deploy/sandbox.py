"""
A place for the exporter to run in as systemd or a container runtime would have it: a file system
that it cannot write to, without homes, and no more privileges than it is given.
"""

import sys
import sysconfig
from pathlib import Path

from tests.exporter_process import ROOT

_PYTHON = f"/mnt/python/bin/{Path(sys.executable).resolve().name}"
_PACKAGES = Path(sysconfig.get_path("purelib"))
# The checkout and Python may lie below a home. What the node mounts later shows here too.
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


def cell(*, hidepid: str = "off") -> tuple[str, ...]:
    """
    What runs a command there. Its processes see no others with hidepid="invisible".
    """
    places = map(str, (ROOT, Path(sys.base_prefix).resolve(), _PACKAGES))
    unshare = ("unshare", "--mount", "--propagation=slave", "sh", "-euc", _MOUNTS, "cell")
    return (*unshare, *places, hidepid)


def python(module: str) -> tuple[str, ...]:
    """
    What runs a module of the checkout there.
    """
    return (_PYTHON, "-m", module)


def privileges(user: int, capabilities: list[str], *, no_new: bool = True) -> tuple[str, ...]:
    """
    What runs a command as that user with these capabilities, in small letters and without CAP_.

    Without no_new a program that is set-uid could have more.
    """
    kept = ",".join(("-all", *(f"+{each}" for each in capabilities)))
    kinds = ("bounding-set", "inh-caps", "ambient-caps")
    return (
        "setpriv",
        *(f"--reuid={user}", f"--regid={user}", "--clear-groups"),
        *(f"--{kind}={kept}" for kind in kinds),
        *(("--no-new-privs",) if no_new else ()),
    )

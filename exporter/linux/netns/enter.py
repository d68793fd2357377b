"""
Network namespaces: entered by the calling thread, and left again.

Which namespace a thread is in rules what /proc/sys/net, /proc/thread-self/net and netlink show to
it, and to no other thread.
"""

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from pyroute2.netns import setns

from exporter.model import (
    CollectorError,
    Namespace,
    RefusedError,
    StrandedError,
    VanishedError,
)

if sys.platform != "linux":
    raise ImportError("network namespaces exist on Linux only")

OWN = Path("/proc/thread-self/ns/net")
"""That of the calling thread."""

_LIBC = ctypes.CDLL(None, use_errno=True)
"""Given to pyroute2, which would start a process to look for it."""
_CAPABILITIES = {"CAP_SYS_PTRACE": 19, "CAP_SYS_ADMIN": 21}  # uapi/linux/capability.h


@contextlib.contextmanager
def inside(namespace: Namespace) -> Iterator[None]:
    """
    Have the calling thread in the namespace until the block is left, whatever happens in it.

    Raises CollectorError, of which VanishedError and RefusedError say more, before the block is
    entered, StrandedError after it.
    """
    with _opened(OWN) as home:
        _enter(namespace)
        try:
            yield
        finally:
            try:
                setns(home, libc=_LIBC)
            except OSError as error:
                raise StrandedError(f"cannot come back from {namespace.name}: {error}") from error


def is_inhabited(namespace: Namespace) -> bool:
    """
    Whether one of its entrances still leads into it.
    """
    for entrance in namespace.entrances:
        with contextlib.suppress(OSError):
            if Path(entrance).stat().st_ino == namespace.inode:
                return True
    return False


def refusal(capability: str, purpose: str) -> str:
    """
    Why the kernel refuses what that capability (CAP_SYS_PTRACE or CAP_SYS_ADMIN) is for.
    """
    status = Path("/proc/thread-self/status").read_text(encoding="utf-8", errors="replace")
    effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    if not int(effective.split()[1], 16) >> _CAPABILITIES[capability] & 1:
        return f"{capability} is lacking, {purpose}"
    return (
        f"permission is denied {purpose}, although {capability} is there: seccomp, AppArmor,"
        " SELinux or the user namespace must allow it"
    )


def _enter(namespace: Namespace) -> None:
    """
    Enter by the first entrance that is left: a process may have ended, its number be another's.
    """
    for entrance in namespace.entrances:
        try:
            with _opened(entrance) as file:
                if os.fstat(file).st_ino == namespace.inode:
                    _set(file)
                    return
        except VanishedError:
            continue
    raise VanishedError(f"{namespace.name} has ended")


def _set(file: int) -> None:
    try:
        setns(file, libc=_LIBC)
    except PermissionError as error:
        raise RefusedError(refusal("CAP_SYS_ADMIN", "to enter them")) from error
    except OSError as error:
        raise CollectorError(f"cannot enter them: {error}") from error


@contextlib.contextmanager
def _opened(path: str | Path) -> Iterator[int]:
    try:
        file = os.open(path, os.O_RDONLY)
    except (FileNotFoundError, ProcessLookupError) as error:
        raise VanishedError(f"{path} has ended") from error
    except PermissionError as error:
        raise RefusedError(refusal("CAP_SYS_PTRACE", "to enter them")) from error
    except OSError as error:
        raise CollectorError(f"cannot open {path}: {error.strerror}") from error
    try:
        yield file
    finally:
        os.close(file)

"""
Entering network namespaces with the calling thread.

The namespace of a thread determines what /proc/sys/net, /proc/thread-self/net and netlink return to
that thread only.
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
"""The namespace of the calling thread."""

_LIBC = ctypes.CDLL(None, use_errno=True)
"""Passed to pyroute2, which would otherwise start a process to find it."""
_CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_PTRACE": 19, "CAP_SYS_ADMIN": 21}
"""Bits in include/uapi/linux/capability.h."""
_PURPOSE = "to enter network namespaces"


@contextlib.contextmanager
def inside(namespace: Namespace) -> Iterator[None]:
    """
    Run the block with the calling thread inside the namespace.

    Raises CollectorError (VanishedError, RefusedError) if the thread cannot enter it, StrandedError
    if it cannot return.
    """
    with _opened(OWN) as home:
        _enter(namespace)
        try:
            yield
        finally:
            try:
                setns(home, libc=_LIBC)
            except OSError as error:
                raise StrandedError(f"cannot return from {namespace.name}: {error}") from error


def is_in_use(namespace: Namespace) -> bool:
    """
    Whether one of the entrances still refers to the namespace.
    """
    for entrance in namespace.entrances:
        with contextlib.suppress(OSError):
            if Path(entrance).stat().st_ino == namespace.inode:
                return True
    return False


def has_capability(capability: str) -> bool:
    """
    Whether the calling thread has one of CAP_NET_ADMIN, CAP_SYS_PTRACE and CAP_SYS_ADMIN, in its
    own user namespace.
    """
    status = Path("/proc/thread-self/status").read_text(encoding="utf-8", errors="replace")
    effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) >> _CAPABILITIES[capability] & 1)


def refusal(capability: str, purpose: str) -> str:
    """
    Why the kernel refuses an operation that requires one of the capabilities of has_capability().
    """
    if not has_capability(capability):
        return f"{capability} is required {purpose}"
    return (
        f"permission denied {purpose}, although {capability} is set; check seccomp, AppArmor,"
        " SELinux and the user namespace"
    )


def _enter(namespace: Namespace) -> None:
    """
    Enter through the first valid entrance. A process may have ended, and its pid been reused.
    """
    for entrance in namespace.entrances:
        try:
            with _opened(entrance) as file:
                if os.fstat(file).st_ino == namespace.inode:
                    _set(file)
                    return
        except VanishedError:
            continue
    raise VanishedError(f"network namespace {namespace.name} was removed")


def _set(file: int) -> None:
    try:
        setns(file, libc=_LIBC)
    except PermissionError as error:
        raise RefusedError(refusal("CAP_SYS_ADMIN", _PURPOSE)) from error
    except OSError as error:
        raise CollectorError(f"cannot enter network namespaces: {error}") from error


@contextlib.contextmanager
def _opened(path: str | Path) -> Iterator[int]:
    try:
        file = os.open(path, os.O_RDONLY)
    except (FileNotFoundError, ProcessLookupError) as error:
        raise VanishedError(f"{path} was removed") from error
    except PermissionError as error:
        raise RefusedError(refusal("CAP_SYS_PTRACE", _PURPOSE)) from error
    except OSError as error:
        raise CollectorError(f"cannot open {path}: {error.strerror}") from error
    try:
        yield file
    finally:
        os.close(file)

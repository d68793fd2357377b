"""
A guard process that removes namespaces when the process that created them could not.
"""

import functools
import os
import subprocess

import psutil

# $0 is the watched process. `cat` returns when the last copy of the pipe's write end is closed.
_SCRIPT = """
cat
for path in /run/netns/lab-"$0"-*; do
    [ -e "$path" ] || continue
    name=${path##*/}
    pids=$(ip netns pids "$name")
    [ -z "$pids" ] || kill -KILL $pids
    ip netns delete "$name"
done
rm -rf "${TMPDIR:-/tmp}/lab-$0-"*
for tree in /sys/fs/cgroup/lab-"$0" /sys/fs/cgroup/unified/lab-"$0"; do
    [ ! -d "$tree" ] || find "$tree" -depth -type d -exec rmdir {} +
done
"""


@functools.cache
def watch() -> None:
    """
    Start a guard that removes the namespaces of this process, with their processes, after its end.

    It also removes files and cgroups that are named like the namespaces.

    It is a separate process, because neither atexit nor a signal handler runs after SIGKILL, after
    a crash, or in a pytest-xdist worker that lost its controller.
    """
    reader, _never_closed = os.pipe()
    # In its own session it survives Ctrl-C. Forked off, it is a child that no one has to wait for.
    subprocess.run(
        ["setsid", "--fork", "sh", "-c", _SCRIPT, str(os.getpid())],
        stdin=reader,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    os.close(reader)


def is_guard(process: psutil.Process) -> bool:
    """
    Whether a process is such a guard. A guard ends after the process that it watches.
    """
    try:
        return _SCRIPT in process.cmdline()
    except psutil.NoSuchProcess:
        return False

"""
What removes namespaces when the process that made them could not.
"""

import functools
import os
import subprocess

import psutil

# $0 is the process. `cat` returns when the last copy of the pipe's other end is closed.
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
    Have the namespaces of this process removed, and what runs in them ended, once it is gone.

    Its files and its cgroups go too, if they are named like the namespaces.

    A process of its own sees to it: neither atexit nor a signal handler runs after SIGKILL, in a
    pytest-xdist worker that lost its controller, or after a crash.
    """
    reader, _never_closed = os.pipe()
    # In a session of its own it outlives a Ctrl-C; forked off, it is nobody's child to wait for.
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
    Whether that is what a process does. It ends after the one that it watches.
    """
    try:
        return _SCRIPT in process.cmdline()
    except psutil.NoSuchProcess:
        return False

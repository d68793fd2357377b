"""
Readers of /proc and /sys/fs/cgroup.
"""

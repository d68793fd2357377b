"""
Tests of the readers of /proc and /sys/fs/cgroup.
"""

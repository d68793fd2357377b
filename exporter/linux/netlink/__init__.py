"""
Dumps of sockets and socket destroy events over NETLINK_SOCK_DIAG.
"""

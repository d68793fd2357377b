"""
Tests of reading sockets over netlink.
"""

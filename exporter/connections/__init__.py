"""
A listing of this host's connections with owners and, where readable, exact socket options.

Used by the `connections` command and by the web pages.
"""

"""
One look at the connections of this host, each with its owner and its exact options where they can
be had. For whoever shows them: the `connections` command, the web.
"""

"""
Changes open sockets, only on request; nothing else in the exporter changes anything.
"""

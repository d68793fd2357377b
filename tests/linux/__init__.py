"""
What the kernel says of sockets, held against other readers of the same bytes.
"""

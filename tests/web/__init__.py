"""
The web application, over real sockets.
"""

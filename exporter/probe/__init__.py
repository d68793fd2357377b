"""
Measures the idle timeout of the path to a server.

Connections are opened side by side, each left idle for a time of its own and then probed by the
kernel's keepalive. What is answered was remembered for that long, what is not was forgotten.
"""

"""
Measures the idle timeout of the path to a server.

Connections are opened in parallel, each left idle for a different time and then probed with the
kernel's keepalive. An answer shows that the path kept the connection for that time. No answer, or a
reset, shows that it did not.
"""

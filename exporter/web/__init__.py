"""
The web server: /metrics, pages, TLS and authentication.
"""

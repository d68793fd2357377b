"""
Addresses of the documentation, which is not part of the installed package.
"""

_BASE = "https://github.com/tcp-keepalive-exporter/tcp-keepalive-exporter/blob/main/docs"


def documentation(page: str) -> str:
    """
    The URL of a page of docs/, with an anchor if page has one: cures.md, findings.md#ka001.
    """
    return f"{_BASE}/{page}"

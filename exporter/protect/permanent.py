"""
The permanent change that makes `protect` unnecessary.
"""

URL = (
    "https://github.com/tcp-keepalive-exporter/tcp-keepalive-exporter/blob/main/docs/protect.md"
    "#the-permanent-change"
)


def permanent_change() -> str:
    """
    Where the permanent change is described.
    """
    return (
        "The values last as long as the connection; new connections have the application's own."
        " For the permanent change, see the advice of `tcp-keepalive-exporter connections` for"
        f" applications, `tcp-keepalive-exporter fix` for the sysctls, and {URL}"
    )


UNDO = (
    "To undo, reopen the connections or restart their workloads: nothing else was changed. The log"
    " has the previous options of each socket."
)

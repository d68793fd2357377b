"""
Words and numbers as people read them.
"""

_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def printable(text: str) -> str:
    r"""
    The text with whatever could move the cursor, or change how the rest is read, written as \x1b.

    Names of processes and cgroups may hold any characters.
    """
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def duration(seconds: float) -> str:
    """
    At most two units: 0.4s, 35s, 6m40s, 2h, 1d4h.
    """
    if seconds < 1:
        return f"{round(seconds, 1):g}s"
    rest = round(seconds)
    parts = []
    for size, unit in _UNITS:
        if number := rest // size:
            parts.append(f"{number}{unit}")
        elif parts:
            break
        rest %= size
    return "".join(parts[:2])

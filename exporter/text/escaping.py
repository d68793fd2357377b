"""
Escaping of external text for printing.
"""


def printable(text: str) -> str:
    r"""
    The text with non-printable characters escaped (as \x1b), because they could control the
    terminal or change the meaning of the rest.

    Names of processes and cgroups may contain any characters.
    """
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )

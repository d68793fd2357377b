"""
PowerShell, as far as a parser can tell without Windows.
"""

from collections.abc import Iterator

import tree_sitter_powershell
from tree_sitter import Language, Node, Parser


def parse(script: str) -> Node:
    """
    The script's tree. Raises ValueError with the lines that are not PowerShell.
    """
    tree = Parser(Language(tree_sitter_powershell.language())).parse(script.encode())
    wrong = [
        node.start_point.row + 1
        for node in every(tree.root_node)
        if node.is_error or node.is_missing
    ]
    if wrong:
        raise ValueError(f"lines {wrong} cannot be parsed")
    return tree.root_node


def every(node: Node, kind: str | None = None) -> Iterator[Node]:
    """
    The node and all below it, of one kind if it is given.
    """
    if kind in (None, node.type):
        yield node
    for child in node.children:
        yield from every(child, kind)


def words(node: Node, kind: str) -> list[str]:
    """
    What is written in the nodes of that kind.
    """
    return [(each.text or b"").decode() for each in every(node, kind)]

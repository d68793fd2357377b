"""
PowerShell and Bicep, as far as a parser can tell without what runs them.
"""

from collections.abc import Iterator

import tree_sitter_bicep
import tree_sitter_powershell
from tree_sitter import Language, Node, Parser


def powershell(script: str) -> Node:
    """
    The script's tree. Raises ValueError with the lines that are not PowerShell.
    """
    return _parse(script, tree_sitter_powershell.language())


def bicep(text: str) -> Node:
    """
    The file's tree. Raises ValueError with the lines that are not Bicep.
    """
    return _parse(text, tree_sitter_bicep.language())


def _parse(text: str, language: object) -> Node:
    tree = Parser(Language(language)).parse(text.encode())
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

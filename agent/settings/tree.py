"""Reads the tree of a site file by dotted places.

``walk`` leaves such a tree: plain values with the defaults filled in, wrong ones None, so that the checks between keys
can still look at the rest.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Tree = Mapping[str, Any]


def at(tree: Any, place: str) -> Any:
    """The value at a dotted place (``connector[0].meter.bus``), None where there is none or it was wrong."""
    for key in place.split("."):
        name, bracket, index = key.partition("[")
        if not isinstance(tree, Mapping):
            return None
        tree = tree.get(name)
        if bracket:
            number = int(index.rstrip("]"))
            tree = tree[number] if isinstance(tree, list) and number < len(tree) else None
    return tree


def entries(tree: Any, place: str) -> Iterator[tuple[str, Tree]]:
    """The sections of a list with the place of each; none where there is no list."""
    found = at(tree, place)
    for index, entry in enumerate(found if isinstance(found, list) else []):
        if isinstance(entry, Mapping):
            yield f"{place}[{index}]", entry


def kind_of(connector: Tree) -> str:
    """``charger`` or ``listener``: the role of a connector without its old word."""
    return "listener" if connector.get("role") in ("listener", "monitor") else "charger"

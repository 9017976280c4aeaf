"""Edits a TOML file by its lines, so that comments and the order of things stay.

Not a parser: whoever edits compares the data of the result with what it must be, and writes the data plainly where
the lines are too unusual for this.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import tomlkit

_HEADER = re.compile(r"^\s*(\[\[?)\s*([A-Za-z0-9_.\-\s]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"^\s*([A-Za-z0-9_-]+)\s*=\s*(.*)$")


class UnusualError(Exception):
    """The lines cannot be edited with safety."""


@dataclass(slots=True)
class Block:
    """A section: its header, and the lines below it up to the next header. The first block has no header."""

    name: tuple[str, ...] = ()
    header: str = ""
    comment: str = ""
    lines: list[str] = field(default_factory=list)

    def text(self) -> str:
        """The block as it is in the file."""
        return self.header + "".join(self.lines)

    def attached(self) -> int:
        """Where the comment begins that ends this block and belongs to the next header."""
        index = len(self.lines)
        while index and self.lines[index - 1].lstrip().startswith("#"):
            index -= 1
        # A comment right below the keys may as easily belong to them: then it stays.
        return index if not index or not self.lines[index - 1].strip() else len(self.lines)

    def end_of_keys(self) -> int:
        """The place after the last key."""
        return max((index + 1 for index, line in enumerate(self.lines) if _KEY.match(line)), default=0)


def blocks_of(text: str) -> list[Block]:
    """The file as blocks; their texts one after the other are the file."""
    found = [Block()]
    for line in text.splitlines(keepends=True):
        match = _HEADER.match(line.rstrip("\r\n"))
        if match:
            name = tuple(part.strip() for part in match.group(2).split("."))
            found.append(Block(name, line, match.group(3) or ""))
        else:
            found[-1].lines.append(line)
    return found


def take_keys(block: Block) -> tuple[dict[str, str], list[str]]:
    """The comments behind the keys of a block that goes, by key, and the lines that are comments of their own.

    Raises UnusualError for a line that is neither key nor comment.
    """
    comments: dict[str, str] = {}
    kept: list[str] = []
    for line in block.lines:
        match = _KEY.match(line)
        if match:
            comments[match.group(1)] = comment_of(match.group(2))
        elif line.strip() and not line.lstrip().startswith("#"):
            raise UnusualError(line)
        elif line.strip() or kept:
            kept.append(line)
    return comments, kept


def comment_of(value: str) -> str:
    """The comment behind a value on one line, with its sign; empty without one."""
    quote = ""
    for index, letter in enumerate(value):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter == "#":
            return value[index:].strip()
    return ""


def key_line(key: str, value: Any, comment: str = "") -> str:
    """One key with its value, and a comment behind it."""
    line = f"{key} = {inline(value)}"
    return f"{line}  {comment}\n" if comment else f"{line}\n"


def inline(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {inline(each)}" for key, each in value.items()) + " }"
    return str(tomlkit.item(value).as_string())


def set_schema(text: str, version: int) -> str:
    """The file with another number of its layout."""
    changed, count = re.subn(r"(?m)^(\s*schema\s*=\s*)1\b", rf"\g<1>{version}", text, count=1)
    if count != 1:
        raise UnusualError("schema")
    return changed


def plain(data: dict[str, Any]) -> str:
    """The data without any comment."""
    return tomlkit.dumps(data)


def joined(blocks: Iterable[Block]) -> str:
    """The file that the blocks make."""
    return "".join(block.text() for block in blocks)

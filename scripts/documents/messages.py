"""docs/gbt27930-messages.md and docs/gbt27930.dbc, from the message table."""

from collections.abc import Iterator
from pathlib import Path

from drivers.gbt27930.messages.dbc import dbc_text
from drivers.gbt27930.messages.fields import STATE_BITS, Field, Kind, Message, Sender
from drivers.gbt27930.messages.table import MESSAGES

ROOT = Path(__file__).resolve().parents[2]

_HEAD = """\
# Messages of GB/T 27930

Written by `make docs` from the table in `drivers/gbt27930/`; the same table encodes, decodes and makes
`docs/gbt27930.dbc`. It holds the 2015 edition and class A of the 2023 edition, which have the same identifiers.

- The charger has address 0x56 (86), the vehicle's BMS 0xF4 (244). Low byte first; bytes and bits count from 1, bit 1 is
  the least significant one.
- **Wire** is the value in the bytes. On the wire, current is negative while charging. In this program current is
  positive into the vehicle; the range applies to the values of this program.
- Spare bits and omitted fields are sent as ones; spare bits and the priority are ignored on reception.
- *Steers*: without a usable value there the message is refused.
- *Sure*: high where independent sources agree, medium where few or weak ones do, low where they contradict each other.
  The decisions are in [0101](decisions/0101-bms-message-variants.md).
- A message of more than 8 bytes is a J1939-21 transfer (RTS/CTS); its period is that of the whole message.
"""

_KINDS = {
    Kind.CODE: "code",
    Kind.FLAG: "yes/no",
    Kind.VERSION: "byte 1 minor, bytes 2-3 major",
    Kind.TEXT: "ASCII",
    Kind.RAW: "bytes",
    Kind.BCD: "packed BCD",
    Kind.SOFTWARE_DATE: "date",
}

BITS_PER_BYTE = 8

_SENDERS = {Sender.CHARGER: "charger", Sender.VEHICLE: "BMS"}


def message_document() -> str:
    """The whole document."""
    parts = [_HEAD, "## Overview\n", *_table(_OVERVIEW_HEAD, (_overview(message) for message in MESSAGES.values()))]
    for message in MESSAGES.values():
        parts += ["", f"## {message.name}: {message.en} / {message.zh}", "", _summary(message), ""]
        parts += _table(_FIELD_HEAD, (_row(message, field) for field in message.fields))
    return "\n".join(parts) + "\n"


_OVERVIEW_HEAD = ("message", "sender", "PGN", "priority", "identifier", "bytes", "period", "clause of 2015")
_FIELD_HEAD = ("byte", "bits", "SPN", "field", "title", "wire", "range", "since", "sure", "remarks")


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> list[str]:
    return [_line(head), _line(("---",) * len(head)), *(_line(row) for row in rows)]


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")


def _overview(message: Message) -> tuple[str, ...]:
    return (
        f"[{message.name}](#{_anchor(message)})", _SENDERS[message.sender], f"0x{message.pgn:04X}",
        str(message.priority), f"{message.identifier:08X}", _lengths(message), f"{message.period_ms} ms",
        message.clause,
    )  # fmt: skip


def _anchor(message: Message) -> str:
    """How the usual renderers name the heading of ``message``."""
    title = f"{message.name}: {message.en} / {message.zh}".lower()
    return "".join("-" if letter == " " else letter for letter in title if letter.isalnum() or letter in " -_")


def _lengths(message: Message) -> str:
    if message.item_bytes:
        return f"{message.item_bytes} for each of 1 to {message.maximum_items}"
    first, *others = message.lengths
    return f"{first}, accepted: {' or '.join(str(length) for length in others)}" if others else str(first)


def _summary(message: Message) -> str:
    text = f"{'Optional message. ' if message.optional else ''}{message.note}".strip()
    return f"Bytes: {_lengths(message)}; every {message.period_ms} ms. {text}".strip()


def _row(message: Message, field: Field) -> tuple[str, ...]:
    last = field.last_byte
    first = f"{field.byte}.{field.bit}" if field.bits < BITS_PER_BYTE else f"{field.byte}"
    place = first if last == field.byte else f"{first}-{last}"
    numbers = f"{field.spn}-{field.spn + message.maximum_items - 1}" if message.item_bytes else str(field.spn)
    name = f"`{field.name}`"
    return (
        place, str(field.bits), numbers, name, f"{field.en} / {field.zh}", _wire(field), _range(field), field.since,
        field.confidence, _remarks(field),
    )  # fmt: skip


def _wire(field: Field) -> str:
    if field.kind is not Kind.NUMBER:
        return _KINDS[field.kind]
    step = f"{1 / field.per_unit:g}"
    unit = f" {field.unit}" if field.unit else ""
    offset = -field.zero / field.per_unit
    return f"{step}{unit}" + (f", offset {offset:g}" if offset else "")


def _range(field: Field) -> str:
    if field.minimum is None or field.maximum is None:
        return ""
    return f"{field.minimum:g} to {field.maximum:g} {field.unit}".strip()


def _remarks(field: Field) -> str:
    raw_text = "{:02b}" if field.bits == STATE_BITS else "{:02X}" if field.kind is not Kind.NUMBER else "{}"
    names = "; ".join(f"{raw_text.format(raw)} {en} / {field.choices.zh[raw]}" for raw, en in field.choices.items())
    return " ".join(
        text
        for text in (
            "Steers." if field.required else "",
            "Optional." if field.optional else "",
            f"{names}." if names else "",
            "More is sent as the largest." if field.saturates else "",
            field.note,
        )
        if text
    )


def documents() -> dict[Path, str]:
    """Document and CAN database, keyed by their paths in the checkout."""
    return {
        ROOT / "docs" / "gbt27930-messages.md": message_document(),
        ROOT / "docs" / "gbt27930.dbc": dbc_text(),
    }

"""The message table of GB/T 27930 for people: messages, and the fields of one of them."""

from collections.abc import Sequence
from typing import Any

from agent.cli.bms.words import MESSAGES, SIDES, BmsSpeaker
from agent.cli.screen import Screen
from drivers.gbt27930.messages.fields import Field, Kind, Message


def show_messages(screen: Screen, speak: BmsSpeaker, messages: Sequence[Message]) -> None:
    """All messages, one a line."""
    pick = speak.pick
    rows = [
        [
            message.name,
            f"{message.identifier:08X}",
            f"{message.pgn:04X}",
            speak.word(SIDES, message.sender.name.lower()),
            _length(message),
            str(message.period_ms),
            speak.word(MESSAGES, message.name),
        ]
        for message in messages
    ]
    headers = [pick("报文", "name"), "id", "PGN", pick("发送方", "sender"), pick("字节", "bytes"), "ms", ""]
    screen.table(headers, rows, right=(5,))


def show_message(screen: Screen, speak: BmsSpeaker, message: Message) -> None:
    """One message and its fields."""
    pick = speak.pick
    sender = speak.word(SIDES, message.sender.name.lower())
    screen.line(f"{message.name}: {speak.word(MESSAGES, message.name)}", "bold")
    screen.line(
        f"{message.identifier:08X}, PGN {message.pgn:04X}, {sender}, "
        f"{_length(message)} {pick('字节', 'bytes')}, {message.period_ms} ms"
    )
    if message.item_bytes:
        screen.line(
            pick(
                f"列表:每项 {message.item_bytes} 字节,最多 {message.maximum_items} 项",
                f"a list: {message.item_bytes} bytes per item, at most {message.maximum_items} items",
            )
        )
    headers = [
        pick("字段", "field"),
        "SPN",
        pick("字节.位", "byte.bit"),
        pick("位数", "bits"),
        pick("含义", "meaning"),
        pick("范围", "range"),
    ]
    rows = [
        [
            field.name,
            str(field.spn),
            f"{field.byte}.{field.bit}",
            str(field.bits),
            f"{speak.pick(field.zh, field.en)}: {_meaning(speak, field)}",
            _range(field),
        ]
        for field in message.fields
    ]
    screen.line()
    screen.table(headers, rows, right=(1, 3))


def message_document(message: Message) -> dict[str, Any]:
    """A message with its fields, for machines."""
    return {
        "name": message.name,
        "identifier": f"{message.identifier:08X}",
        "pgn": message.pgn,
        "priority": message.priority,
        "sender": message.sender.name.lower(),
        "lengths": list(message.lengths),
        "item_bytes": message.item_bytes,
        "maximum_items": message.maximum_items,
        "period_ms": message.period_ms,
        "fields": [
            {
                "name": field.name,
                "title_en": field.en,
                "title_zh": field.zh,
                "spn": field.spn,
                "byte": field.byte,
                "bit": field.bit,
                "bits": field.bits,
                "kind": field.kind.value,
                "per_unit": field.per_unit,
                "zero": field.zero,
                "direction": field.direction,
                "unit": field.unit or None,
                "minimum": field.minimum,
                "maximum": field.maximum,
                "choices": {str(raw): {"en": text, "zh": field.choices.zh[raw]} for raw, text in field.choices.items()},
                "optional": field.optional,
            }
            for field in message.fields
        ],
    }


def _length(message: Message) -> str:
    if message.item_bytes:
        return f"{message.item_bytes}-{message.item_bytes * message.maximum_items}"
    return "/".join(str(length) for length in message.lengths)


def _meaning(speak: BmsSpeaker, field: Field) -> str:
    if field.choices:
        names = field.choices.zh if speak.language == "zh" else field.choices
        return ", ".join(f"{raw:02X} {text}" for raw, text in list(names.items())[:4]) + (
            ", ..." if len(field.choices) > 4 else ""
        )
    if field.kind is Kind.FLAG:
        return f"{field.false_raw:02X} {speak.pick('否', 'no')}, {field.true_raw:02X} {speak.pick('是', 'yes')}"
    if field.kind is not Kind.NUMBER:
        return str(field.kind.value)
    formula = "raw"
    if field.direction < 0:
        formula = f"({field.zero} - raw)"
    elif field.zero > 0:
        formula = f"raw - {field.zero}"
    elif field.zero < 0:
        formula = f"raw + {-field.zero}"
    if field.per_unit != 1:
        formula += f" / {field.per_unit}"
    return f"{formula} {field.unit}".strip()


def _range(field: Field) -> str:
    if field.minimum is None or field.maximum is None:
        return ""
    return f"{field.minimum:g}-{field.maximum:g}" if field.minimum >= 0 else f"{field.minimum:g} - {field.maximum:g}"

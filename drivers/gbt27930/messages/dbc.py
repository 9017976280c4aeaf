"""The message table as a CAN database (DBC), for other tools.

The database describes the wire: currents are negative while charging, as the standard has them, although our
own values are positive into the vehicle. Texts become one signal for each byte, versions and dates one for each part.
Messages above 8 bytes are meant for tools that put J1939 transfers together (VFrameFormat J1939PG).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from drivers.gbt27930.messages.fields import Choices, Field, Kind, Message, Sender
from drivers.gbt27930.messages.table import MESSAGES

LONGEST_SYMBOL = 32
"""Longest name in a DBC; a longer one is cut and kept in full in the attribute SystemSignalLongSymbol."""

NODES = {Sender.CHARGER: "Charger", Sender.VEHICLE: "BMS"}

_EXTENDED = 1 << 31

_ATTRIBUTES = (
    'BA_DEF_ "BusType" STRING ;',
    'BA_DEF_ "ProtocolType" STRING ;',
    'BA_DEF_ "Baudrate" INT 0 1000000;',
    'BA_DEF_ BU_ "NmStationAddress" INT 0 255;',
    'BA_DEF_ BO_ "VFrameFormat" ENUM "StandardCAN","ExtendedCAN","reserved","J1939PG";',
    'BA_DEF_ BO_ "GenMsgCycleTime" INT 0 3600000;',
    'BA_DEF_ SG_ "SPN" INT 0 524287;',
    'BA_DEF_ SG_ "SystemSignalLongSymbol" STRING ;',
    'BA_DEF_DEF_ "BusType" "CAN";',
    'BA_DEF_DEF_ "ProtocolType" "J1939";',
    'BA_DEF_DEF_ "Baudrate" 250000;',
    'BA_DEF_DEF_ "NmStationAddress" 254;',
    'BA_DEF_DEF_ "VFrameFormat" "J1939PG";',
    'BA_DEF_DEF_ "GenMsgCycleTime" 0;',
    'BA_DEF_DEF_ "SPN" 0;',
    'BA_DEF_DEF_ "SystemSignalLongSymbol" "";',
    'BA_ "BusType" "CAN";',
    'BA_ "ProtocolType" "J1939";',
    'BA_ "Baudrate" 250000;',
)


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal of the database: ``value = raw * factor + offset``, with the sign of the wire."""

    name: str
    start: int
    bits: int
    spn: int
    comment: str
    factor: float = 1
    offset: float = 0
    minimum: float = 0
    maximum: float = 0
    unit: str = ""
    choices: Choices | None = None

    @property
    def symbol(self) -> str:
        """The name as far as a DBC takes it."""
        return self.name[:LONGEST_SYMBOL]


def dbc_text() -> str:
    """The whole database as text, plain ASCII."""
    lines = [
        'VERSION "GB/T 27930-2015 and 2023 class A"',
        "",
        "NS_ :",
        "",
        "BS_:",
        "",
        f"BU_: {' '.join(NODES.values())}",
    ]
    comments: list[str] = []
    attributes = [f'BA_ "NmStationAddress" BU_ {node} {sender.value};' for sender, node in NODES.items()]
    values: list[str] = []
    for message in MESSAGES.values():
        identifier = message.identifier | _EXTENDED
        lines += ["", f"BO_ {identifier} {message.name}: {message.length or message.largest_length} {_sender(message)}"]
        comments.append(f'CM_ BO_ {identifier} "{_about(message)}";')
        attributes.append(f'BA_ "VFrameFormat" BO_ {identifier} 3;')
        attributes.append(f'BA_ "GenMsgCycleTime" BO_ {identifier} {message.period_ms};')
        for signal in signals(message):
            where = f"{identifier} {signal.symbol}"
            lines.append(_line(signal, _receiver(message)))
            comments.append(f'CM_ SG_ {where} "{signal.comment}";')
            attributes.append(f'BA_ "SPN" SG_ {where} {signal.spn};')
            if signal.name != signal.symbol:
                attributes.append(f'BA_ "SystemSignalLongSymbol" SG_ {where} "{signal.name}";')
            if signal.choices:
                names = " ".join(f'{raw} "{name}"' for raw, name in signal.choices.items())
                values.append(f"VAL_ {where} {names} ;")
    return "\n".join((*lines, "", *comments, *_ATTRIBUTES, *attributes, *values, ""))


def signals(message: Message) -> Iterator[Signal]:
    """The signals of a message; the items of a list are numbered from 1."""
    if not message.item_bytes:
        for field in message.fields:
            yield from _parts(field, field.name, 0, field.spn)
    for at in range(message.maximum_items):
        for field in message.fields:
            yield from _parts(field, f"{field.name}_{at + 1}", at * message.item_bytes * 8, field.spn + at)


def _parts(field: Field, name: str, base: int, spn: int) -> Iterator[Signal]:
    start = base + field.shift
    comment = _comment(field, spn, start)

    def part(label: str, skip: int, bits: int) -> Signal:
        return Signal(f"{name}_{label}", start + skip, bits, spn, comment, maximum=(1 << bits) - 1)

    if field.kind is Kind.VERSION:
        yield part("minor", 0, 8)
        yield part("major", 8, 16)
    elif field.kind is Kind.SOFTWARE_DATE:
        yield part("number", 0, 8)
        yield part("day", 8, 8)
        yield part("month", 16, 8)
        yield part("year", 24, 16)
    elif field.kind in (Kind.TEXT, Kind.RAW):
        for at in range(field.bits // 8):
            yield part(str(at + 1), at * 8, 8)
    elif field.kind is Kind.NUMBER:
        low, high = _wire_range(field)
        yield Signal(
            name, start, field.bits, spn, comment, 1 / field.per_unit, -field.zero / field.per_unit, low, high,
            field.unit.replace("°", "deg"), field.choices,
        )  # fmt: skip
    else:
        yield Signal(name, start, field.bits, spn, comment, maximum=field.ones, choices=field.choices)


def _wire_range(field: Field) -> tuple[float, float]:
    """Smallest and largest value with the sign of the wire; without a range, what the bits hold."""
    if field.minimum is None or field.maximum is None:
        return 0, field.ones
    low, high = sorted((field.direction * field.minimum, field.direction * field.maximum))
    return low, high


def _comment(field: Field, spn: int, start: int) -> str:
    parts = [f"SPN {spn}, byte {start // 8 + 1} bit {start % 8 + 1}. {field.en}."]
    if field.direction < 0:
        parts.append("Positive is discharge, negative is charge.")
    if field.kind is Kind.BCD:
        parts.append("Packed BCD, 0x59 is 59.")
    if field.since != "2015":
        parts.append(f"Since the {field.since} edition; spare before.")
    return _plain(" ".join((*parts, field.note)))


def _about(message: Message) -> str:
    lengths = " or ".join(str(length) for length in message.lengths) or f"{message.item_bytes} bytes for each item"
    parts = [f"{message.en}. GB/T 27930-2015 {message.clause}. Length: {lengths}."]
    if message.multi_packet:
        parts.append("J1939-21 transfer (RTS/CTS).")
    return _plain(" ".join((*parts, message.note)))


def _line(signal: Signal, receiver: str) -> str:
    scale = f"({_number(signal.factor)},{_number(signal.offset)}) [{_number(signal.minimum)}|{_number(signal.maximum)}]"
    return f' SG_ {signal.symbol} : {signal.start}|{signal.bits}@1+ {scale} "{signal.unit}" {receiver}'


def _sender(message: Message) -> str:
    return NODES[message.sender]


def _receiver(message: Message) -> str:
    return NODES[Sender.VEHICLE if message.sender is Sender.CHARGER else Sender.CHARGER]


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))


def _plain(text: str) -> str:
    return text.strip().replace('"', "'")

"""Bytes of the fuzzer to dialogues: any bytes are a course, and small changes to them are small changes to it.

Every action is an operation byte and three operands; a raw frame takes nine bytes more. What must hold is checked by
the worlds of tests/bms; here only bytes are turned into what happens.
"""

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "bms"))

from bms_worlds import (
    CHARGER_NAMES,
    JUMPS_S,
    VEHICLE_NAMES,
    ChargerWorld,
    Fate,
    ObserverWorld,
    TransportWorld,
)

from drivers.can.frame import CanFrame
from drivers.gbt27930.charger.phases import Edition
from drivers.gbt27930.messages.table import CODECS, MESSAGES, MessageError

LONGEST_COURSE = 400
"""Actions of one course at most: deeper ones only take time."""

COMMANDS = (
    "begin", "insulation_passed", "output_ready", "stop", "reconnect", "finish", "set_output", "set_limits",
)  # fmt: skip
_EDITIONS: tuple[Edition, Edition] = ("2015", "2023")
_PGNS = (0x0200, 0x0600, 0x1100, 0x1500)
_CONTROLS = (16, 17, 19, 255, 0x6B)


class Statistics:
    """What the courses of one target have reached."""

    def __init__(self) -> None:
        self.sequences = 0
        self.frames = 0
        self.reached: Counter[str] = Counter()


class Source:
    """Takes operands off the front; what is missing at the end is 0."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, count: int) -> bytes:
        """The next bytes."""
        part = self._data[self._at : self._at + count]
        self._at += count
        return part.ljust(count, b"\0")

    def frame(self) -> CanFrame:
        """Nine bytes: priority and length, PDU format, destination or source, and five of data, twice the last."""
        head = self.take(9)
        direction = (0x56F4, 0xF456, head[2] << 8 | 0xF4, 0x5600 | head[2])[head[0] >> 4 & 3]
        identifier = (head[0] >> 6 | 4) << 26 | head[1] << 16 | direction
        length = min(head[0] & 0x0F, 8)
        return CanFrame(identifier, (head[3:] + head[7:])[:length])


def _fates(a: int, b: int, c: int) -> list[tuple[Fate, int]]:
    """Up to three frames fare ill, after those that arrive."""
    return [(Fate.ARRIVES, 0)] * (a & 7) + [(Fate(value % len(Fate)), value) for value in (a >> 3, b, c) if value]


def charger(data: bytes, statistics: Statistics) -> None:
    """The phase machine with a vehicle, a bad channel and commands."""
    source = Source(data[1:])
    world = ChargerWorld(_EDITIONS[data[0] & 1 if data else 0])
    for _ in range(LONGEST_COURSE):
        if not source:
            break
        operation, a, b, c = source.take(4)
        kind = operation % 8
        if kind == 0:
            world.proceed()
        elif kind == 1:
            world.proceed(_fates(a, b, c))
        elif kind == 2:
            world.say(VEHICLE_NAMES[a % len(VEHICLE_NAMES)], variant=b % 12, number=c)
        elif kind == 3:
            world.say(VEHICLE_NAMES[a % len(VEHICLE_NAMES)], fates=_fates(b, c, 0))
        elif kind == 4:
            world.wait(JUMPS_S[a % len(JUMPS_S)])
        elif kind == 5:
            world.command(COMMANDS[a % len(COMMANDS)], b)
        elif kind == 6:
            world.transfer(_CONTROLS[a % len(_CONTROLS)], b, c, operation >> 3)
        else:
            world.raw(source.frame())
    world.check_memory()
    statistics.frames += world.frames
    statistics.reached += world.phases


def transport(data: bytes, statistics: Statistics) -> None:
    """Transfers both ways."""
    source = Source(data)
    world = TransportWorld()
    for _ in range(LONGEST_COURSE):
        if not source:
            break
        operation, a, b, c = source.take(4)
        kind, end = operation % 6, operation >> 7
        if kind == 0:
            size = (a | b << 8) % 1785 + 1
            world.send(end, _PGNS[c % 4], bytes((c + at) & 0xFF for at in range(size)))
        elif kind == 1:
            world.plan(end, _fates(a, b, c))
        elif kind == 2:
            world.wait(JUMPS_S[a % len(JUMPS_S)])
        elif kind == 3:
            identifier = (0x1CEC56F4, 0x1CECF456)[end]
            control = bytes((_CONTROLS[a % 4], b, 0, c, 0xFF)) + _PGNS[operation >> 3 & 3].to_bytes(3, "little")
            world.raw(end, CanFrame(identifier, control))
        elif kind == 4:
            world.raw(
                end, CanFrame((0x1CEB56F4, 0x1CEBF456)[end], bytes((a, b, c, 0, 0, 0, 0, 0))[: operation >> 3 & 15])
            )
        elif a < 250:
            world.raw(end, source.frame())
        else:
            world.reset(end)
    world.check_memory()
    world.settle()
    statistics.frames += world.frames
    for each in world.ends:
        statistics.reached.update({name: count for name, count in each.counters.items() if count})


def codec(data: bytes, statistics: Statistics) -> None:
    """Every message from any bytes; what was read can be written again, or its writer says why not."""
    names = tuple(MESSAGES)
    name = names[(data[0] if data else 0) % len(names)]
    payload = data[1:]
    statistics.frames += 1
    try:
        values = CODECS[name].decode(payload)
    except MessageError:
        statistics.reached["refused"] += 1
        return
    statistics.reached[name] += 1
    for field in MESSAGES[name].fields:
        value = values[field.name]
        if isinstance(value, int | float) and field.minimum is not None and field.maximum is not None:
            assert field.minimum <= value <= field.maximum, f"{name} {field.name} {value}"
    try:
        again = CODECS[name].encode(values)
    except MessageError:
        statistics.reached["not written"] += 1
        return
    assert CODECS[name].decode(again) == values or len(again) != len(payload), name


def observer(data: bytes, statistics: Statistics) -> None:
    """The passive observer beside such a dialogue."""
    source = Source(data[1:])
    world = ObserverWorld(_EDITIONS[data[0] & 1 if data else 0])
    everybody = VEHICLE_NAMES + CHARGER_NAMES
    for _ in range(LONGEST_COURSE):
        if not source:
            break
        operation, a, b, c = source.take(4)
        kind = operation % 9
        if kind <= 1:
            world.dialogue.proceed()
        elif kind == 2:
            world.dialogue.say(VEHICLE_NAMES[a % len(VEHICLE_NAMES)], variant=b % 12, number=c)
        elif kind == 3:
            world.channel.plan(_fates(a, b, c))
        elif kind == 4:
            world.dialogue.wait(JUMPS_S[a % len(JUMPS_S)])
            world.poll()
        elif kind == 5:
            world.dialogue.command(COMMANDS[a % len(COMMANDS)], b)
        elif kind == 6:
            world.say(everybody[a % len(everybody)], b, c)
        elif kind == 7:
            world.hear(source.frame())
        elif a < 128:
            world.jump_s = (a - 64) / 8.0
            world.poll()
        else:
            world.finish()
    world.check_memory()
    world.finish()
    statistics.frames += world.observer.frames
    statistics.reached += world.stages


Target = Callable[[bytes, Statistics], None]
TARGETS: Mapping[str, Target] = {"transport": transport, "charger": charger, "codec": codec, "observer": observer}


def seeds(target: str) -> Sequence[bytes]:
    """Courses to begin with: the ordinary dialogue to every depth, with and without its usual troubles."""
    if target == "codec":
        from bms_dialogue import VALUES

        found = [bytes((0, 1))]
        for number, name in enumerate(MESSAGES):
            if name in VALUES:
                found.append(bytes((number,)) + CODECS[name].encode(VALUES[name]))
            found.append(bytes((number,)) + b"\xff" * (MESSAGES[name].length or 8))
        return found
    if target == "transport":
        one = bytes((0, 49, 0, 1)) + bytes((2, 10, 0, 0))
        both = bytes((132, 251, 0, 3)) + bytes((0, 12, 0, 2)) + bytes((2, 15, 0, 0))
        lost = bytes((133, 3, 1, 0)) + bytes((132, 48, 0, 0)) + bytes((2, 15, 0, 0))
        return [one, both, lost, one + both + lost, both * 4]
    step, wait = bytes(4), bytes((4, 4, 0, 0))
    stop = bytes((2, VEHICLE_NAMES.index("BST"), 0, 0))
    found = []
    for edition in (0, 1):
        for depth in range(1, 12):
            found.append(bytes((edition,)) + step * depth)
        found.append(bytes((edition,)) + (step + wait) * 12)
        found.append(bytes((edition,)) + step * 8 + stop + wait + step + wait + bytes((5, 5, 0, 0)) + step * 3)
        found += [bytes((edition,)) + step * 8 + bytes((2, number, 1, 0)) * 3 + wait for number in range(13)]
        found.append(bytes((edition,)) + step * 5 + bytes((4, 13, 0, 0)) + bytes((5, 4, 0, 0)) + step * 6)
    return found

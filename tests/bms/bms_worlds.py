"""Hostile dialogues: charger, transport or observer among frames that are mostly right, and what must always hold.

The same worlds are driven by hypothesis (``test_bms_machines``) and by bytes of the fuzzer (tests/fuzz). Whatever is
done, nothing may raise, nothing may grow without bound, and the charger may get only where the rules lead.
"""

import enum
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bms_dialogue import LIMITS, VALUES

from drivers.can.frame import CanFrame
from drivers.gbt27930.charger.dialogue import Charger, ChargerLimits, EventKind, Phase, StopCause
from drivers.gbt27930.charger.phases import SILENT, Edition
from drivers.gbt27930.charger.reports import EVENTS_AT_MOST
from drivers.gbt27930.messages.table import (
    CHARGER_ADDRESS,
    MESSAGES,
    VEHICLE_ADDRESS,
    Sender,
    decode,
    encode,
    identifier_of,
)
from drivers.gbt27930.observer.observer import Observer
from drivers.gbt27930.transport import segments
from drivers.gbt27930.transport.transport import WAITING_FRAMES_AT_MOST, Received, Transport

VEHICLE_NAMES = tuple(name for name, message in MESSAGES.items() if message.sender is Sender.VEHICLE)
CHARGER_NAMES = tuple(name for name, message in MESSAGES.items() if message.sender is Sender.CHARGER)
CAUSES = tuple(StopCause)
JUMPS_S = (0.0, 0.001, 0.005, 0.01, 0.05, 0.26, 0.5, 0.76, 1.01, 1.3, 4.9, 5.1, 10.1, 60.5, 601.0, 1e5)
"""Pauses that a dialogue may meet: around every period and time-out, and far beyond."""

LARGEST_CHARGER = 6000
"""Elements a charger may ever hold: 256 events with their details, one BMV, four waiting transfers, and itself."""

LARGEST_OBSERVER = 60000
"""Elements an observer may ever hold, with four sessions kept."""


class Fate(enum.IntEnum):
    """What happens to a frame on its way."""

    ARRIVES = 0
    LOST = 1
    TWICE = 2
    LATER = 3
    SHORTER = 4
    LONGER = 5
    EMPTY = 6
    OTHER_SOURCE = 7
    OTHER_DESTINATION = 8
    OTHER_PGN = 9
    OTHER_BYTE = 10
    BASE_FRAME = 11
    OTHER_PRIORITY = 12
    DATA_PAGE = 13


def mutated(frame: CanFrame, fate: Fate, number: int) -> CanFrame:
    """The frame with one thing wrong; ``number`` (0 to 255) says how wrong."""
    identifier, data = frame.identifier, frame.data
    if fate is Fate.SHORTER:
        data = data[: number % max(1, len(data))]
    elif fate is Fate.LONGER:
        data = (data + bytes((number,)) * 8)[:8]
    elif fate is Fate.EMPTY:
        data = b""
    elif fate is Fate.OTHER_SOURCE:
        identifier = identifier & ~0xFF | number
    elif fate is Fate.OTHER_DESTINATION:
        identifier = identifier & ~0xFF00 | number << 8
    elif fate is Fate.OTHER_PGN:
        identifier = identifier & ~0xFF0000 | number << 16
    elif fate is Fate.OTHER_BYTE and data:
        at = number % len(data)
        data = data[:at] + bytes((number * 37 + 11 & 0xFF,)) + data[at + 1 :]
    elif fate is Fate.BASE_FRAME:
        return CanFrame(identifier & 0x7FF, data, extended=False)
    elif fate is Fate.OTHER_PRIORITY:
        identifier = identifier & ~0x1C000000 | (number & 7) << 26
    elif fate is Fate.DATA_PAGE:
        identifier |= 0x01000000 << (number & 1)
    return CanFrame(identifier, data)


class Channel:
    """Brings frames across, each to its fate."""

    def __init__(self) -> None:
        self._fates: list[tuple[Fate, int]] = []
        self._later: list[CanFrame] = []

    def plan(self, fates: Sequence[tuple[Fate, int]]) -> None:
        """The fates of the next frames; after them everything arrives."""
        self._fates = list(fates)

    def carry(self, frames: Sequence[CanFrame]) -> list[CanFrame]:
        """What comes out at the other end, in this order."""
        out: list[CanFrame] = []
        for frame in frames:
            fate, number = self._fates.pop(0) if self._fates else (Fate.ARRIVES, 0)
            if fate is Fate.LATER:
                self._later.append(frame)
                continue
            if fate is Fate.TWICE:
                out.append(frame)
            if fate is not Fate.LOST:
                out.append(mutated(frame, fate, number))
            out += self._later
            self._later.clear()
        return out


def size_of(thing: object, seen: set[int] | None = None) -> int:
    """Number of elements that hang on ``thing``: what grows when something is never forgotten."""
    seen = set() if seen is None else seen
    if id(thing) in seen or thing is None or isinstance(thing, int | float | enum.Enum | type):
        return 0
    seen.add(id(thing))
    if isinstance(thing, str | bytes | bytearray):
        return 1 + len(thing) // 16
    if isinstance(thing, dict):
        return len(thing) + sum(size_of(key, seen) + size_of(value, seen) for key, value in thing.items())
    if isinstance(thing, list | tuple | set | frozenset | deque):
        return len(thing) + sum([size_of(each, seen) for each in thing])
    names = [
        *getattr(thing, "__struct_fields__", ()),
        *getattr(thing, "__slots__", ()),
        *getattr(thing, "__dict__", ()),
    ]
    if callable(thing):
        return 1
    return 1 + sum(size_of(getattr(thing, name, None), seen) for name in names)


_BEFORE_OUTPUT = (Phase.HANDSHAKE, Phase.RECOGNITION, Phase.RECOGNISED, Phase.PARAMETERS, Phase.WAIT_READY)
_LISTENING = tuple(phase for phase in Phase if phase not in SILENT)

MOVES: Mapping[str, frozenset[tuple[Phase, Phase]]] = {
    "frame": frozenset(
        {
            (Phase.HANDSHAKE, Phase.TIMED_OUT),
            (Phase.RECOGNITION, Phase.RECOGNISED),
            (Phase.RECOGNISED, Phase.PARAMETERS),
            (Phase.RECOGNISED, Phase.TIMED_OUT),
            (Phase.PARAMETERS, Phase.WAIT_READY),
            (Phase.PARAMETERS, Phase.STOPPING),
            (Phase.PARAMETERS, Phase.TIMED_OUT),
            (Phase.WAIT_READY, Phase.ENDED),
            (Phase.WAIT_READY, Phase.STOPPING),
            (Phase.WAIT_READY, Phase.TIMED_OUT),
            (Phase.READY, Phase.CHARGING),
            (Phase.READY, Phase.STOPPING),
            (Phase.READY, Phase.TIMED_OUT),
            (Phase.CHARGING, Phase.STOPPING),
            (Phase.CHARGING, Phase.TIMED_OUT),
            (Phase.STOPPING, Phase.ENDING),
            (Phase.STOPPING, Phase.TIMED_OUT),
        }
    ),
    "time": frozenset(
        {
            (Phase.HANDSHAKE, Phase.ENDED),
            # Stopped before the charge (2023): a vehicle that does not know CST then may keep silent.
            (Phase.STOPPING, Phase.ENDED),
            (Phase.READY, Phase.STOPPING),
            (Phase.CHARGING, Phase.STOPPING),
            *((phase, Phase.TIMED_OUT) for phase in _LISTENING if phase not in (Phase.HANDSHAKE, Phase.ENDING)),
        }
    ),
    "begin": frozenset((phase, Phase.HANDSHAKE) for phase in SILENT),
    "insulation_passed": frozenset({(Phase.HANDSHAKE, Phase.RECOGNITION)}),
    "output_ready": frozenset({(Phase.WAIT_READY, Phase.READY)}),
    "stop": frozenset(
        {
            *((phase, Phase.ENDED) for phase in _BEFORE_OUTPUT),
            *((phase, Phase.STOPPING) for phase in (*_BEFORE_OUTPUT, Phase.READY, Phase.CHARGING)),
        }
    ),
    "reconnect": frozenset({(Phase.TIMED_OUT, Phase.RECOGNITION)}),
    "finish": frozenset((phase, Phase.ENDED) for phase in Phase),
    "set_output": frozenset(),
    "set_limits": frozenset(),
}
"""Who may move the charger from where to where. Output needs the command ``output_ready``; nothing else leads there."""

SENT: Mapping[Phase, frozenset[str]] = {
    Phase.HANDSHAKE: frozenset({"CHM"}),
    Phase.RECOGNITION: frozenset({"CRM"}),
    Phase.RECOGNISED: frozenset({"CRM"}),
    Phase.PARAMETERS: frozenset({"CTS", "CML"}),
    Phase.WAIT_READY: frozenset({"CRO"}),
    Phase.READY: frozenset({"CRO"}),
    Phase.CHARGING: frozenset({"CCS"}),
    Phase.STOPPING: frozenset({"CST", "CML"}),
    Phase.ENDING: frozenset({"CSD"}),
    Phase.TIMED_OUT: frozenset({"CEM"}),
    Phase.IDLE: frozenset(),
    Phase.ENDED: frozenset(),
}
"""What the charger may say in each phase. CML once more in STOPPING: 2023, before the stop for a mismatch."""

_BY_IDENTIFIER = {identifier_of(name): name for name in CHARGER_NAMES}
_TRANSFER = segments.PRIORITY << 26 | segments.CONTROL << 16 | VEHICLE_ADDRESS << 8 | CHARGER_ADDRESS


class ChargerWorld:
    """The charger, a vehicle's transport that speaks as it is told, and a channel between that does what it wants."""

    def __init__(self, edition: Edition) -> None:
        self.charger = Charger(charger_number=4711, limits=LIMITS, edition=edition)
        self.vehicle = Transport(VEHICLE_ADDRESS, CHARGER_ADDRESS, packet_interval_s=0.0)
        self.channel = Channel()
        self.now_s = 1000.0
        self.frames = 0
        self.phases: Counter[str] = Counter()
        self.reconnected = 0
        self.permitted = False
        self.vehicle_hears = True
        self._pass()

    # ------------------------------------------------------------------------------------------------ what happens

    def say(self, name: str, *, variant: int = 0, number: int = 0, fates: Sequence[tuple[Fate, int]] = ()) -> None:
        """The vehicle says a message, right (variant 0) or with absurd content."""
        message = MESSAGES[name]
        self.vehicle.send(message.pgn, message.priority, payload_of(name, variant, number), self.now_s)
        self.channel.plan(fates)
        self._exchange()

    def raw(self, frame: CanFrame) -> None:
        """Any frame."""
        self._deliver([frame])
        self._answer()

    def transfer(self, kind: int, a: int, b: int, c: int) -> None:
        """A control frame or data frame of the vehicle with free content."""
        if kind == segments.DATA & 0x7F:
            data, pdu_format = bytes((a, b, c, 0, 0, 0, 0, 0)), segments.DATA
        else:
            pgn = MESSAGES[VEHICLE_NAMES[c % len(VEHICLE_NAMES)]].pgn
            data, pdu_format = bytes((kind, a, 0, b, 0xFF)) + pgn.to_bytes(3, "little"), segments.CONTROL
        self.raw(CanFrame(7 << 26 | pdu_format << 16 | 0x56F4, data))

    def wait(self, seconds: float) -> None:
        """Time passes; the charger is polled at every time at which it wants to be, up to a hundred times."""
        end_s = self.now_s + seconds
        for _ in range(100):
            due_s = self.charger.next_due()
            if due_s is None or due_s > end_s:
                break
            self.now_s = max(self.now_s, due_s)
            self._answer()
        self.now_s = max(self.now_s, end_s)
        self._answer()

    def command(self, name: str, number: int = 0) -> None:
        """A decision of the control."""
        charger, now_s = self.charger, self.now_s
        actions: Mapping[str, Callable[[], Any]] = {
            "begin": lambda: charger.begin(now_s),
            "insulation_passed": lambda: charger.insulation_passed(now_s),
            "output_ready": lambda: charger.output_ready(now_s),
            "stop": lambda: charger.stop(now_s, CAUSES[number % len(CAUSES)]),
            "reconnect": lambda: charger.reconnect(now_s),
            "finish": lambda: charger.finish(now_s),
            "set_output": lambda: self._set_output(number),
            "set_limits": lambda: charger.set_limits(ChargerLimits(750.0, 150.0, float(number), 0.0)),
        }
        before, reconnects = charger.phase, charger.reconnects
        result = actions[name]()
        self._moved(name, before)
        if name == "begin" and before in SILENT:
            self.reconnected = 0
        if result is True:
            self.reconnected += 1
            assert charger.reconnects == reconnects + 1 == self.reconnected <= 3
        self._answer()

    def proceed(self, fates: Sequence[tuple[Fate, int]] = ()) -> None:
        """What an ordinary charge does next."""
        phase = self.charger.phase
        if phase in SILENT:
            self.command("begin")
        elif phase is Phase.HANDSHAKE:
            self.say("BHM", fates=fates)
            self.command("insulation_passed")
        elif phase is Phase.WAIT_READY:
            self.command("output_ready")
        elif phase is Phase.READY:
            self.say("BCL", fates=fates)
            self.say("BCS")
        elif phase is Phase.TIMED_OUT:
            self.command("reconnect")
        else:
            names = {
                Phase.RECOGNITION: "BRM",
                Phase.RECOGNISED: "BCP",
                Phase.PARAMETERS: "BRO",
                Phase.CHARGING: "BSM",
                Phase.STOPPING: "BSD",
                Phase.ENDING: "BSD",
            }
            self.say(names[phase], fates=fates)

    # ------------------------------------------------------------------------------------------------ what must hold

    def check_memory(self) -> None:
        """Nothing has grown beyond its bound."""
        assert len(self.charger._reports._events) <= EVENTS_AT_MOST
        assert len(self.charger._transport._outbox) <= WAITING_FRAMES_AT_MOST
        size = size_of(self.charger)
        assert size <= LARGEST_CHARGER, size

    def _set_output(self, number: int) -> None:
        values = (0.0, 350.0, 1e9, -1e9, float("nan"), float("inf"))
        self.permitted = bool(number & 1)
        self.charger.set_output(values[number % 6], values[number // 6 % 6], self.permitted, number)

    def _exchange(self) -> None:
        for _ in range(20):
            out = self.channel.carry(self.vehicle.poll(self.now_s))
            if not self._deliver(out):
                break
            for frame in self._answer():
                if self.vehicle_hears:
                    self.vehicle.receive(frame, self.now_s)

    def _deliver(self, frames: Sequence[CanFrame]) -> bool:
        for frame in frames:
            self.frames += 1
            before = self.charger.phase
            silent = before in SILENT
            known = self.charger.vehicle
            self.charger.receive(frame, self.now_s)
            self._moved("frame", before)
            assert not silent or self.charger.vehicle is known
        return bool(frames)

    def _answer(self) -> list[CanFrame]:
        before = self.charger.phase
        frames = self.charger.poll(self.now_s)
        self._moved("time", before)
        self._check_sent(frames)
        due_s = self.charger.next_due()
        assert due_s is None or due_s > self.now_s, "polled, and still due: the loop would spin"
        assert (due_s is None) == (self.charger.phase in SILENT) or self.charger.phase is Phase.TIMED_OUT
        for event in self.charger.events():
            assert isinstance(event.kind, EventKind)
            assert event.at_s <= self.now_s
        status = self.charger.status()
        assert all(isinstance(value, str | int | bool | dict | None.__class__) for value in status.values())
        return frames

    def _moved(self, by: str, before: Phase) -> None:
        after = self.charger.phase
        if after is not before:
            assert (before, after) in MOVES[by], f"{before} to {after} by {by}"
            self._pass()

    def _pass(self) -> None:
        self.phases[self.charger.phase.value] += 1

    def _check_sent(self, frames: Sequence[CanFrame]) -> None:
        phase = self.charger.phase
        assert len(frames) <= WAITING_FRAMES_AT_MOST + 8
        for frame in frames:
            assert frame.extended
            if frame.identifier == _TRANSFER:
                assert len(frame.data) == 8
                assert phase not in SILENT
                continue
            name = _BY_IDENTIFIER[frame.identifier]
            assert name in SENT[phase], f"{name} in {phase}"
            values = decode(name, frame.data)
            if name == "CRO":
                assert values["ready"] is (phase is Phase.READY)
            elif name == "CRM":
                assert values["recognised"] is (phase is Phase.RECOGNISED)
            elif name == "CCS":
                assert values["permitted"] is (self.permitted and not self.charger.paused)
        if phase in (Phase.READY, Phase.CHARGING):
            vehicle = self.charger.vehicle
            assert vehicle.brm is not None
            assert vehicle.bcp is not None
            assert vehicle.bro is not None
            assert phase is Phase.READY or (vehicle.bcl is not None and vehicle.bcs is not None)


def payload_of(name: str, variant: int, number: int) -> bytes:
    """Payload of a message: right with 0, then the special ones of the message, then spoilt ones."""
    special = _SPECIAL.get(name, ())
    right = encode(name, VALUES[name])
    if variant == 0:
        return right
    if variant <= len(special):
        return encode(name, {**VALUES[name], **special[variant - 1]})
    kind = (variant - len(special) - 1) % 6
    if kind == 0:
        return bytes(len(right))
    if kind == 1:
        return b"\xff" * len(right)
    if kind == 2:
        return right[: 1 + number % len(right)]
    if kind == 3:
        return right + bytes(1 + number % 40)
    at = number % len(right)
    return right[:at] + bytes(((0x00, 0xFF)[kind - 4] ^ (number & 0x3F),)) + right[at + 1 :]


_SPECIAL: Mapping[str, tuple[dict[str, Any], ...]] = {
    "BSM": (
        {"charging_permitted": False},
        {"over_temperature_state": 1},
        {"over_temperature_state": 2},
        {"cell_voltage_state": 2},
    ),
    "BRO": ({"ready": False}, {"ready": None}),
    "BCL": ({"voltage_v": 0.0, "current_a": 0.0}, {"voltage_v": 1000.0, "current_a": 400.0}),
    "BCP": ({"battery_voltage_v": 0.0}, {"maximum_current_a": 0.0}, {"maximum_voltage_v": 0.0}),
    "BHM": ({"maximum_voltage_v": 0.0},),
    "BEM": ({"cro_timeout": 1}, {}),
}


class TransportWorld:
    """Two transports, a channel between them in each direction, and free frames at both ends."""

    def __init__(self) -> None:
        self.ends = (
            Transport(CHARGER_ADDRESS, VEHICLE_ADDRESS),
            Transport(VEHICLE_ADDRESS, CHARGER_ADDRESS, packet_interval_s=0.0),
        )
        self.channels = (Channel(), Channel())
        self.now_s = 1000.0
        self.frames = 0
        self.complete = 0
        self._said: list[dict[int, set[bytes]]] = [{}, {}]
        self._touched = False

    def send(self, end: int, pgn: int, payload: bytes) -> None:
        """One end has a message for the other."""
        self._said[end].setdefault(pgn, set()).add(payload)
        self.ends[end].send(pgn, 7, payload, self.now_s)

    def plan(self, end: int, fates: Sequence[tuple[Fate, int]]) -> None:
        """What happens to the next frames that this end sends."""
        self._touched = self._touched or any(
            fate not in (Fate.ARRIVES, Fate.LOST, Fate.TWICE, Fate.LATER) for fate, _ in fates
        )
        self.channels[end].plan(fates)

    def raw(self, end: int, frame: CanFrame) -> None:
        """Any frame arrives at one end."""
        self._touched = True
        self._take(end, frame)

    def reset(self, end: int) -> None:
        """One end forgets."""
        self.ends[end].reset()

    def wait(self, seconds: float) -> None:
        """Time passes, and frames with it."""
        end_s = self.now_s + seconds
        self._exchange()
        for _ in range(600):
            dues = [due for each in self.ends if (due := each.next_due()) is not None and due <= end_s]
            if not dues:
                break
            self.now_s = max(self.now_s, min(dues))
            self._exchange()
        self.now_s = max(self.now_s, end_s)
        self._exchange()

    def settle(self) -> None:
        """Every transfer ends by itself: 18 queued messages of 255 packets, each given up or sent, and no more."""
        for _ in range(10_000):
            dues = [due for each in self.ends if (due := each.next_due()) is not None]
            if not dues:
                return
            self.now_s = max(self.now_s, min(dues))
            self._exchange()
        raise AssertionError("a transfer that never ends")

    def check_memory(self) -> None:
        """Both ends are bounded: nine messages of 1785 bytes to send, one to put together."""
        for each in self.ends:
            size = size_of(each)
            assert size <= 3000, size

    def _exchange(self) -> None:
        for number, each in enumerate(self.ends):
            sent = each.poll(self.now_s)
            assert len(sent) <= WAITING_FRAMES_AT_MOST + 256
            due_s = each.next_due()
            assert due_s is None or due_s > self.now_s, "polled, and still due: the loop would spin"
            for frame in self.channels[number].carry(sent):
                self._take(1 - number, frame)

    def _take(self, end: int, frame: CanFrame) -> None:
        self.frames += 1
        for message in self.ends[end].receive(frame, self.now_s):
            self._check(end, message)

    def _check(self, end: int, message: Received) -> None:
        if not message.multi_packet:
            assert len(message.payload) <= 8
            return
        self.complete += 1
        assert segments.SMALLEST_BYTES <= len(message.payload) <= segments.LARGEST_BYTES
        if not self._touched:
            # Frames lost, repeated and swapped may cost a message, but never change one.
            assert message.payload in self._said[1 - end].get(message.pgn, ())


class ObserverWorld:
    """An observer between a charger and a vehicle, whose dialogue it hears as the channel lets it."""

    def __init__(self, edition: Edition) -> None:
        self.observer = Observer(edition, sessions_at_most=4)
        self.dialogue = ChargerWorld(edition)
        self.channel = Channel()
        self.observations = 0
        self.stages: Counter[str] = Counter()
        self.jump_s = 0.0
        self._tap(self.dialogue.charger, "receive")
        self._tap(self.dialogue.vehicle, "receive")

    def _tap(self, party: Any, name: str) -> None:
        heard = getattr(party, name)

        def receive(frame: CanFrame, now_s: float) -> Any:
            self.hear(frame)
            return heard(frame, now_s)

        # Only this one object is listened in on.
        object.__setattr__(party, name, receive)

    def hear(self, frame: CanFrame) -> None:
        """The observer hears this frame as the channel lets it."""
        for each in self.channel.carry([frame]):
            self._take(self.observer.receive(each, self.dialogue.now_s + self.jump_s))

    def say(self, name: str, variant: int, number: int) -> None:
        """A message of either side as one frame, or its first eight bytes."""
        payload = (b"\xff" * (number % 9), bytes(number % 9), bytes((number,)) * 8)[variant % 3]
        self.hear(CanFrame(identifier_of(name), payload))

    def poll(self) -> None:
        """The observer is asked what time has brought."""
        self._take(self.observer.poll(self.dialogue.now_s + self.jump_s))
        due_s = self.observer.next_due()
        assert due_s is None or due_s > self.dialogue.now_s or self.jump_s != 0.0

    def finish(self) -> None:
        """The listening ends, and may begin anew."""
        self._take(self.observer.finish())
        assert self.observer.session is None

    def check_memory(self) -> None:
        """Nothing has grown beyond its bound."""
        assert len(self.observer.sessions) <= 4
        size = size_of(self.observer)
        assert size <= LARGEST_OBSERVER, size

    def _take(self, observations: Sequence[Any]) -> None:
        self.observations += len(observations)
        self.stages[self.observer.stage.value] += 1
        session = self.observer.session
        if session is not None:
            assert session.violations >= 0
            assert session.ended_s is None

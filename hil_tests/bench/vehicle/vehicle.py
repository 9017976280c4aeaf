"""A whole vehicle without its ports: battery, BMS and transport, stepped with the time handed in."""

import json
import random
from dataclasses import dataclass
from typing import Any

from drivers.can.frame import CanFrame
from drivers.gbt27930.messages.table import (
    CHARGER_ADDRESS,
    MESSAGES,
    VEHICLE_ADDRESS,
    MessageError,
    decode,
    encode,
    identifier_of,
    message_of,
)
from drivers.gbt27930.transport.transport import Transport
from hil_tests.bench.vehicle.battery import Battery
from hil_tests.bench.vehicle.bms import Bms, Inlet, Phase
from hil_tests.bench.vehicle.cadence import Cadence
from hil_tests.bench.vehicle.mischief import (
    STOP_REASONS,
    CommandError,
    Mischief,
    Order,
    help_text,
    number,
    sign_of,
)
from hil_tests.bench.vehicle.profile import Profile

STEP_S = 0.02
"""Longest pause between two polls: how finely the battery and the timers are stepped."""


@dataclass(frozen=True, slots=True)
class Source:
    """What the vehicle puts behind its inlet: a voltage source in V behind a resistance in ohm, if K5/K6 are closed."""

    open_circuit_voltage_v: float
    resistance_ohm: float
    contactors_closed: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer to a command: whether it was done, and a text; that of ``state`` is a JSON object."""

    ok: bool
    reply: str


class Vehicle:
    """One vehicle. ``seed`` makes the unevenness of its send times repeatable."""

    def __init__(
        self,
        profile: Profile,
        *,
        soc_percent: float | None = None,
        target_soc_percent: float | None = None,
        seed: int = 0,
    ) -> None:
        self.battery = Battery(profile, soc_percent=soc_percent, target_soc_percent=target_soc_percent)
        self.mischief = Mischief()
        self.bms = Bms(self.battery, self.mischief, random.Random(seed))
        self.transport = Transport(VEHICLE_ADDRESS, CHARGER_ADDRESS)
        self.inlet = Inlet()
        self.heard: dict[str, int] = {}
        self.said: dict[str, int] = {}
        self.unreadable = 0
        self.longest_stall_s = 0.0
        """By how much whoever polls this vehicle was late at worst since that was last asked."""
        self._stepped_s: float | None = None
        self._raw: list[CanFrame] = []
        self._orders: list[tuple[float, Order]] = []
        foreign = [(each.identifier, each.payload, each.period_s) for each in profile.manners.foreign]
        self._foreign = [
            (CanFrame(identifier, data), Cadence(period_s, 0.0, random.Random(seed)))
            for identifier, data, period_s in foreign
        ]

    @property
    def source(self) -> Source:
        """What the inlet shows now."""
        return Source(self.battery.source_voltage_v, self.battery.resistance_ohm, self.bms.contactors_closed)

    def sense(self, inlet: Inlet, now_s: float) -> None:
        """Take over the state of the inlet from the plant."""
        self._step_battery(now_s)
        self.inlet = inlet

    def receive(self, frame: CanFrame, now_s: float) -> None:
        """Take a frame from the bus. Never raises: what cannot be read is counted and left."""
        if self.mischief.frozen or self.bms.phase is Phase.ASLEEP:
            return
        for message in self.transport.receive(frame, now_s):
            known = message_of(CHARGER_ADDRESS, message.pgn)
            if known is None:
                continue
            try:
                values = decode(known.name, message.payload)
            except MessageError:
                self.unreadable += 1
                continue
            self.heard[known.name] = self.heard.get(known.name, 0) + 1
            for order in self.mischief.due_orders(sign_of(known.name, values)):
                self._orders.append((now_s + order.delay_s, order))
            self._do_orders(now_s)
            self.bms.hear(known.name, values, now_s)

    def poll(self, now_s: float) -> list[CanFrame]:
        """Let time act; frames to put on the bus now. Call it after ``receive`` and when ``next_due`` has come."""
        self._step_battery(now_s)
        self._do_orders(now_s)
        was = self.bms.phase
        self.bms.sense(self.inlet, now_s)
        if self.bms.phase is Phase.ASLEEP:
            self.mischief.frozen = False  # a hung BMS loses its supply as well and restarts
        elif self.mischief.frozen:
            return []
        if self.bms.phase is Phase.ASLEEP:
            if was is not Phase.ASLEEP:
                self.transport.reset()
                for _, cadence in self._foreign:
                    cadence.stop()
            return []
        for frame, cadence in self._foreign:
            cadence.start(now_s)
            if cadence.take(now_s):
                self._raw.append(frame)
        for name, values in self.bms.poll(now_s):
            self._say(name, values, now_s)
        frames, self._raw = self._raw, []
        return frames + self.transport.poll(now_s)

    def next_due(self, now_s: float) -> float:
        """When to poll next, at most STEP_S from now."""
        dues = [now_s + STEP_S]
        if not self.mischief.frozen:
            foreign = [cadence.due_s for _, cadence in self._foreign]
            dues += [due for due in (self.bms.next_due(), self.transport.next_due(), *foreign) if due is not None]
        dues += [at_s for at_s, _ in self._orders]
        return min(dues)

    def command(self, text: str, now_s: float) -> Reply:
        """Do one command (see ``mischief``)."""
        try:
            words = text.split()
            if not words:
                raise CommandError("an empty command")
            return Reply(True, self._do(words, text, now_s))
        except CommandError as error:
            return Reply(False, str(error))

    def report(self, now_s: float) -> dict[str, Any]:
        """What the vehicle is doing, for people and tests. Voltages in V, currents in A."""
        battery, bms, demand = self.battery, self.bms, self.bms.demand()
        return {
            "phase": bms.phase.value,
            "phase_s": round(now_s - bms.since_s, 3),
            "attempts": bms.attempts,
            "stop_reason": bms.stop_reason,
            "timed_out": bms.timed_out,
            "plugged": self.inlet.plugged,
            "auxiliary_voltage_v": self.inlet.auxiliary_voltage_v,
            "contactors_closed": bms.contactors_closed,
            "terminal_voltage_v": round(self.inlet.terminal_voltage_v, 2),
            "current_a": round(self.inlet.current_a, 2),
            "soc_percent": round(battery.soc_percent, 3),
            "target_soc_percent": battery.target_soc_percent,
            "source_voltage_v": round(battery.source_voltage_v, 2),
            "temperature_c": round(battery.temperature_c, 2),
            "charged_ah": round(battery.charged_ah, 4),
            "demand": {
                "voltage_v": round(demand.voltage_v, 1),
                "current_a": round(demand.current_a, 1),
                "mode": demand.mode,
            },
            "heard": dict(self.heard),
            "last_heard": {name: _plain(values) for name, values in bms.last_heard.items()},
            "said": dict(self.said),
            "unreadable": self.unreadable,
            "waiting": [f"{order.sign}: {order.command}" for order in self.mischief.orders],
        }

    # ---------------------------------------------------------------------------------------------------- internals

    def _step_battery(self, now_s: float) -> None:
        if self._stepped_s is None:
            self.bms.since_s = now_s  # it starts with the first time that it gets
        elif now_s > self._stepped_s:
            flowing_a = self.inlet.current_a if self.bms.contactors_closed else 0.0
            self.battery.step(now_s - self._stepped_s, flowing_a)
        self._stepped_s = now_s

    def _say(self, name: str, values: dict[str, Any], now_s: float) -> None:
        if name in self.mischief.silenced:
            return
        other = self.mischief.replaced.get(name)
        if other is not None:
            name, values = other, self.bms.values(other, now_s)
        message = MESSAGES[name]
        payload = self.mischief.payloads.get(name) or encode(name, values)
        if name in self.mischief.singles:
            self._raw.append(CanFrame(identifier_of(name), payload[:8]))
            self.said[name] = self.said.get(name, 0) + 1
            return
        length = self.mischief.lengths.get(name)
        if length is not None:
            payload = payload[:length].ljust(length, b"\xff")
        if self.transport.send(message.pgn, message.priority, payload, now_s):
            self.said[name] = self.said.get(name, 0) + 1

    def _do(self, words: list[str], text: str, now_s: float) -> str:
        verb, arguments = words[0], words[1:]
        if verb == "state":
            return json.dumps(self.report(now_s))
        if verb == "help":
            return help_text()
        if verb == "stalls":
            worst_s, self.longest_stall_s = self.longest_stall_s, 0.0
            return f"{worst_s * 1000:.1f}"
        if verb == "when":
            return self.mischief.wait_for(arguments)
        if verb == "stop":
            return self._stop(arguments, now_s)
        if verb == "normal":
            self._behave()
            return "well-behaved again"
        if verb == "demand":
            return self.mischief.take_demand(arguments)
        if verb == "raw":
            return self._queue_raw(arguments)
        if verb in ("soc", "target", "temperature", "insulation"):
            return self._set_battery(verb, arguments)
        done = self.mischief.apply(text)
        if done is None:
            raise CommandError(f"the vehicle knows no command {verb!r}")
        return done

    def _stop(self, arguments: list[str], now_s: float) -> str:
        reason = arguments[0] if arguments else "soc_target_reached"
        if reason not in STOP_REASONS:
            raise CommandError(f"BST has no field {reason}; it has {', '.join(STOP_REASONS)}")
        if not self.bms.stop(reason, now_s):
            raise CommandError(f"nothing to stop: the vehicle is {self.bms.phase.value}")
        return f"stopping: {reason}"

    def _do_orders(self, now_s: float) -> None:
        due = [order for at_s, order in self._orders if at_s <= now_s]
        if due:
            self._orders = [(at_s, order) for at_s, order in self._orders if at_s > now_s]
        for order in due:
            self.command(order.command, now_s)

    def _behave(self) -> None:
        self._orders.clear()
        for name in Mischief.__slots__:
            setattr(self.mischief, name, getattr(Mischief(), name))

    def _queue_raw(self, arguments: list[str]) -> str:
        usage = "write: raw IDENTIFIER DATA, both hexadecimal, at most 29 bits and 8 bytes"
        try:
            identifier, data = int(arguments[0], 16), bytes.fromhex("".join(arguments[1:]))
        except (IndexError, ValueError):
            raise CommandError(usage) from None
        if identifier >= 1 << 29 or len(data) > 8:
            raise CommandError(usage)
        self._raw.append(CanFrame(identifier, data))
        return f"sending {identifier:08X} {data.hex()}"

    def _set_battery(self, verb: str, arguments: list[str]) -> str:
        if len(arguments) != 1:
            raise CommandError(f"write: {verb} NUMBER")
        attribute, low, high, unit = {
            "soc": ("soc_percent", 0.0, 100.0, "%"),
            "target": ("target_soc_percent", 0.0, 100.0, "%"),
            "temperature": ("temperature_c", -45.0, 150.0, "degC"),
            "insulation": ("insulation_kohm", 0.1, 100_000.0, "kohm"),
        }[verb]
        value = number(arguments[0], low, high)
        setattr(self.battery, attribute, value)
        return f"{verb} is {value:g} {unit}"


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Values that JSON can carry: bytes as hexadecimal text."""
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in values.items()}

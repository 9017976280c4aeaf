"""What the content of the messages is held against: ranges, limits both sides announced, plausibility."""

from collections.abc import Mapping
from typing import Any

from drivers.gbt27930.messages.fields import Kind, Message
from drivers.gbt27930.observer import rules
from drivers.gbt27930.observer.model import Session, Stage
from drivers.gbt27930.observer.transfers import Tell

_V2G_MODE = 3


def undefined(message: Message, payload: bytes, values: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Fields of a readable message that hold no defined value: name and raw content. Unused fields are not meant."""
    if message.item_bytes:
        return []
    bits = int.from_bytes(payload, "little")
    found = []
    for field in message.fields:
        if field.last_byte > len(payload):
            continue
        raw = bits >> field.shift & field.ones
        value = values[field.name]
        if field.optional and raw == field.ones:
            continue
        unread = value is None and field.kind in (Kind.NUMBER, Kind.FLAG, Kind.BCD)
        unknown = field.kind is Kind.CODE and field.choices and raw not in field.choices
        if unread or unknown:
            found.append((field.name, raw))
    return found


class _Lasting:
    """A condition that matters only when it lasts; told once each time."""

    __slots__ = ("since_s", "told", "worst")

    def __init__(self) -> None:
        self.since_s: float | None = None
        self.worst = 0.0
        self.told = False

    def take(self, excess: float, now_s: float, allowed_s: float, fall_per_s: float = 0.0) -> bool:
        """Takes how far off it is now (0 or less: not at all); True when it has just become worth telling."""
        if excess <= 0:
            self.since_s, self.worst, self.told = None, 0.0, False
            return False
        if self.since_s is None:
            self.since_s = now_s
        self.worst = max(self.worst, excess)
        limit_s = max(allowed_s, self.worst / fall_per_s if fall_per_s else 0.0)
        if self.told or now_s - self.since_s <= limit_s:
            return False
        self.told = True
        return True


class _Unchanged:
    """Content that should change."""

    __slots__ = ("payload", "since_s", "told")

    def __init__(self) -> None:
        self.payload = b""
        self.since_s = 0.0
        self.told = False

    def take(self, payload: bytes, flowing: bool, now_s: float) -> bool:
        """True when the content has just stood still for too long."""
        if not flowing or payload != self.payload:
            self.payload, self.since_s, self.told = payload, now_s, False
            return False
        if self.told or now_s - self.since_s < rules.FROZEN_S:
            return False
        self.told = True
        return True


class Checks:
    """Judges the content of the messages of one session after the other. ``tell`` takes what is worth telling."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self.clear()

    def clear(self) -> None:
        """A session or an attempt begins: nothing of the last one counts."""
        self._lasting: dict[str, _Lasting] = {}
        self._unchanged: dict[str, _Unchanged] = {}
        self._last_payload: dict[str, bytes] = {}

    def values(self, message: Message, payload: bytes, values: Mapping[str, Any], now_s: float) -> None:
        """Tells undefined values of a message, once for each content."""
        if self._last_payload.get(message.name) == payload:
            return
        self._last_payload[message.name] = payload
        for name, raw in undefined(message, payload, values):
            if message.name == "BCL" and name == "mode" and raw == _V2G_MODE:
                self._tell("mode.v2g", "BCL", now_s, "1, 2", "3")
                continue
            self._tell("value", message.name, now_s, "", f"{name} raw {raw}")

    def demand(self, session: Session, now_s: float) -> None:
        """BCL against BCP and CML."""
        demand = session.values("BCL")
        for limits, suffix in (("BCP", "bcp"), ("CML", "cml")):
            announced = session.values(limits)
            self._above("demand.voltage_" + suffix, demand, announced, "voltage_v", "maximum_voltage_v", "V", now_s)
            self._above("demand.current_" + suffix, demand, announced, "current_a", "maximum_current_a", "A", now_s)

    def output(self, session: Session, payload: bytes, now_s: float) -> None:
        """CCS against the demand, the vehicle's maximum, and the charger's own permission."""
        if session.stage is not Stage.CHARGING:
            return
        ccs, demand = session.values("CCS"), session.values("BCL")
        voltage_v, current_a = ccs.get("voltage_v"), ccs.get("current_a")
        self._output_voltage(voltage_v, demand.get("voltage_v"), session.values("BCP").get("maximum_voltage_v"), now_s)
        if current_a is None:
            return
        demand_a = demand.get("current_a")
        if demand_a is not None:
            margin_a = max(rules.OUTPUT_CURRENT_A, demand_a * rules.OUTPUT_CURRENT_SHARE)
            self._last(
                "output.current", current_a - demand_a - margin_a, demand_a, current_a, "A", now_s,
                rules.FALL_S, rules.FALL_A_PER_S,
            )  # fmt: skip
        without = current_a - rules.NOT_PERMITTED_A if ccs.get("permitted") is False else 0.0
        self._last("output.not_permitted", without, 0.0, current_a, "A", now_s, rules.NOT_PERMITTED_S)
        self._frozen("CCS", payload, current_a, now_s)

    def measured(self, session: Session, payload: bytes, before: Mapping[str, Any], now_s: float) -> None:
        """BCS against CCS and against the one ``before``."""
        bcs, ccs = session.values("BCS"), session.values("CCS")
        soc, soc_before, limit = bcs.get("soc_percent"), before.get("soc_percent"), rules.LARGEST_REAL_JUMP_PERCENT
        if soc_before is None:
            soc_before, limit = session.values("BCP").get("soc_percent"), rules.LARGEST_START_JUMP_PERCENT
        if soc is not None and soc_before is not None and abs(soc - soc_before) > limit:
            step = abs(soc - soc_before)
            self._tell("soc.jump", "BCS", now_s, f"step up to {limit:g} %", f"{soc_before:g} % -> {soc:g} %", step)
        told_a, output_a = bcs.get("current_a"), ccs.get("current_a")
        if session.stage is not Stage.CHARGING or told_a is None:
            return
        if output_a is not None:
            margin_a = max(rules.DIFFERENT_CURRENT_A, output_a * rules.DIFFERENT_CURRENT_SHARE)
            off_a = abs(output_a - told_a) - margin_a
            self._last("output.differs", off_a, output_a, told_a, "A", now_s, rules.DIFFERENT_CURRENT_S)
        self._frozen("BCS", payload, told_a if output_a is None else output_a, now_s)

    # ------------------------------------------------------------------------------------------------ inside

    def _output_voltage(self, seen_v: float | None, demand_v: float | None, most_v: float | None, now_s: float) -> None:
        if seen_v is None:
            return
        if demand_v is not None:
            margin_v = max(rules.OUTPUT_VOLTAGE_V, demand_v * rules.OUTPUT_VOLTAGE_SHARE)
            self._last("output.voltage", seen_v - demand_v - margin_v, demand_v, seen_v, "V", now_s, rules.FALL_S)
        if most_v is not None:
            over_v = seen_v - most_v - rules.OVER_VEHICLE_MAXIMUM_V
            self._last("output.voltage_bcp", over_v, most_v, seen_v, "V", now_s, rules.OVER_VEHICLE_MAXIMUM_S)

    def _last(
        self, code: str, excess: float, limit: float, seen: float, unit: str, now_s: float, allowed_s: float,
        fall_per_s: float = 0.0,
    ) -> None:  # fmt: skip
        lasting = self._lasting.setdefault(code, _Lasting())
        if lasting.take(excess, now_s, allowed_s, fall_per_s):
            message, sign = ("BCS", "≈") if code == "output.differs" else ("CCS", "≤")
            self._tell(code, message, now_s, f"{sign} {limit:g} {unit}", f"{seen:g} {unit}", abs(seen - limit))

    def _frozen(self, name: str, payload: bytes, current_a: float, now_s: float) -> None:
        unchanged = self._unchanged.setdefault(name, _Unchanged())
        if unchanged.take(payload, current_a > rules.FROZEN_ABOVE_A, now_s):
            self._tell("frozen", name, now_s, f"{rules.FROZEN_S:g} s", payload.hex(), rules.FROZEN_S)

    def _above(
        self, code: str, demand: Mapping[str, Any], announced: Mapping[str, Any], wanted: str, limit: str, unit: str,
        now_s: float,
    ) -> None:  # fmt: skip
        seen, most = demand.get(wanted), announced.get(limit)
        tolerance = rules.VOLTAGE_TOLERANCE_V if unit == "V" else rules.CURRENT_TOLERANCE_A
        if seen is not None and most is not None and seen > most + tolerance:
            self._tell(code, "BCL", now_s, f"≤ {most:g} {unit}", f"{seen:g} {unit}", seen - most)

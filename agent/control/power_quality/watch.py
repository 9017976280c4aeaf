"""One grid-side meter: its readings become ten-minute records, events and findings, never a bill or a control."""

import math
from typing import Any

from agent.control.power_quality.events import VoltageEvent, VoltageWatch
from agent.control.power_quality.limits import NOMINAL_FREQUENCY_HZ, PowerQualityParameters
from agent.control.power_quality.statistics import WINDOW_MS, Window, unbalance_percent
from agent.vocabulary import kinds
from drivers.reading import Reading

PHASES = ("l1", "l2", "l3")
_VOLTAGES = tuple(f"voltage_{phase}_v" for phase in PHASES)
_SCALES = {"v": 100, "a": 1000, "w": 1, "hz": 1000, "percent": 100, "factor": 1000}
"""Recorded integer = value * scale, by the last word of the name."""
SIGNALS = frozenset(
    {
        *_VOLTAGES,
        *(f"current_{phase}_a" for phase in PHASES),
        *(f"thd_voltage_{phase}_percent" for phase in PHASES),
        *(f"thd_current_{phase}_percent" for phase in PHASES),
        "current_neutral_a",
        "thd_voltage_percent",
        "thd_current_percent",
        "voltage_unbalance_percent",
        "active_power_w",
        "power_factor",
        "frequency_hz",
    }
)
"""What is taken of a grid-side meter, as far as its map offers it."""


class PowerQuality:
    """See the module. ``take`` takes readings, ``turn`` gives what is to be recorded."""

    def __init__(self, parameters: PowerQualityParameters) -> None:
        self.parameters = parameters
        self.findings: frozenset[str] = frozenset()
        """Faults of ``GRID_FINDINGS`` that the last whole window shows."""
        self._window = Window()
        self._index: int | None = None
        self._partial = True
        self._round: dict[str, tuple[float, float]] = {}
        self._gives_unbalance = False
        watched = _VOLTAGES[: parameters.phases]
        self._watches = {
            name: VoltageWatch(parameters.nominal_voltage_v, parameters.poll_interval_s, parameters.events)
            for name in watched
        }
        self._events: list[tuple[str, VoltageEvent]] = []

    def take(self, name: str, reading: Reading) -> None:
        """Take a reading of ``SIGNALS`` in; a suspect one, or one that is no number, is none."""
        value = float(reading.value)
        if not reading.quality.is_value or not math.isfinite(value):
            return
        parameters = self.parameters
        self._window.add(name, value)
        if name == "frequency_hz":
            self._window.add("frequency_deviation_hz", value - NOMINAL_FREQUENCY_HZ)
        elif name == "voltage_unbalance_percent":
            self._gives_unbalance = True
        watch = self._watches.get(name)
        if watch is None:
            return
        nominal_v = parameters.nominal_voltage_v
        phase = name.removeprefix("voltage_").removesuffix("_v")
        self._window.add(f"voltage_deviation_{phase}_percent", 100.0 * (value - nominal_v) / nominal_v)
        event = watch.take(value, reading.at_s)
        if event is not None:
            self._events.append((name, event))
        self._balance(name, value, reading.at_s)

    def _balance(self, name: str, value: float, at_s: float) -> None:
        """Unbalance of three voltages of the same poll, unless the meter gives it itself."""
        if self.parameters.phases != len(PHASES) or self._gives_unbalance:
            return
        self._round[name] = value, at_s
        together = [held for held, held_s in self._round.values() if at_s - held_s < self.parameters.poll_interval_s]
        if len(together) < len(PHASES):
            return
        self._round.clear()
        unbalance = unbalance_percent(together)
        if unbalance is not None:
            self._window.add("voltage_unbalance_percent", unbalance)

    def turn(self, now_s: float, wall_ms: int, wall_quality: str) -> list[tuple[str, dict[str, Any]]]:
        """(kind, body) of what is to be recorded now. Without a set clock there are events, but no windows."""
        records: list[tuple[str, dict[str, Any]]] = []
        for name, watch in self._watches.items():
            cut = watch.silent(now_s)
            if cut is not None:
                self._events.append((name, cut))
        events, self._events = self._events, []
        for name, event in events:
            records.append((kinds.POWER_QUALITY_EVENT, self._event_body(name, event, now_s, wall_ms)))
        if wall_quality == "unset":
            self._index = None
            return records
        index = wall_ms // WINDOW_MS
        if index == self._index:
            return records
        former, self._index = self._index, index
        closed, in_turn = self._window.close(), former is not None and index == former + 1
        # What came before the clock was set, a window that began unseen, and two that a step of the clock has joined or
        # cut are no ten minutes.
        partial, self._partial = self._partial or not in_turn, not in_turn
        if former is None:
            self.findings = frozenset()
            return records
        exceeded = [] if partial else self._exceeded(closed)
        self.findings = frozenset(fault for _, fault in exceeded)
        body: dict[str, Any] = {
            "meter": self.parameters.meter,
            "begin_wall_ms": former * WINDOW_MS,
            "indicative": self.parameters.indicative,
            "values": {name: _scaled(name, count, found) for name, (count, found) in sorted(closed.items())},
            "exceeded": [limit_id for limit_id, _ in exceeded],
        }
        if partial:
            body["partial"] = True
        if not closed:
            body["missing"] = True
        if "voltage_unbalance_percent" in closed and not self._gives_unbalance:
            body["unbalance"] = "from_magnitudes"
        return [*records, (kinds.POWER_QUALITY, body)]

    def _exceeded(self, closed: dict[str, tuple[int, dict[str, float]]]) -> list[tuple[str, str]]:
        found = []
        for limit in self.parameters.limits:
            head = limit.quantity.removesuffix("_percent")
            names = (limit.quantity, *(f"{head}_{phase}_percent" for phase in PHASES))
            if any(limit.exceeded(closed[name][1]) for name in names if name in closed):
                found.append((limit.id, limit.fault))
        return found

    def _event_body(self, name: str, event: VoltageEvent, now_s: float, wall_ms: int) -> dict[str, Any]:
        return {
            "meter": self.parameters.meter,
            "what": event.kind,
            "signal": name,
            "begin_wall_ms": wall_ms - round((now_s - event.begin_s) * 1000),
            "duration_ms": round(event.duration_s * 1000),
            "extreme_cv": round(event.extreme_v * 100),
            "nominal_cv": round(self.parameters.nominal_voltage_v * 100),
            "resolution_ms": round(self.parameters.poll_interval_s * 1000),
            "indicative": self.parameters.indicative,
            **({"cut_short": True} if event.cut_short else {}),
        }


def _scaled(name: str, count: int, found: dict[str, float]) -> dict[str, int]:
    scale = _SCALES[name.rpartition("_")[2]]
    return {"count": count, "scale": scale, **{key: round(value * scale) for key, value in found.items()}}

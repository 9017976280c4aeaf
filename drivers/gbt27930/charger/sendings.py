"""The content of the charger's cyclic messages, and which of them each phase repeats."""

from collections.abc import Callable
from typing import Any

from drivers.gbt27930.charger.phases import ChargerLimits, Phase
from drivers.gbt27930.charger.timers import Cycle
from drivers.gbt27930.messages.fields import MAXIMUM_CURRENT_A, MAXIMUM_VOLTAGE_V, MessageError
from drivers.gbt27930.messages.table import MESSAGES, PROTOCOL_VERSION, encode

LARGEST_CHARGER_NUMBER = 0xFFFFFFFF
AREA_CODE_BYTES = 3

_TIME_UNKNOWN = b"\xff" * 7
_TIME_NAMES = ("year", "month", "day", "hour", "minute", "second")


class Sendings:
    """Content of the charger's messages, built afresh for every frame.

    ``limits`` go into CML, ``local_time`` into CTS, ``cst`` and ``cem`` are the ready payloads of the stop and the
    error message. An empty ``cem`` means that there is nothing to report. Raises ValueError for a charger number or
    area code that does not fit.
    """

    def __init__(self, charger_number: int, area_code: bytes, limits: ChargerLimits) -> None:
        if not 0 <= charger_number <= LARGEST_CHARGER_NUMBER:
            raise ValueError(f"charger number {charger_number} is outside 0 to {LARGEST_CHARGER_NUMBER}")
        if len(area_code) > AREA_CODE_BYTES:
            raise ValueError(f"area code {area_code!r} has more than {AREA_CODE_BYTES} bytes")
        self.limits = limits
        self.local_time: tuple[int, int, int, int, int, int] | None = None
        self.cst = b""
        self.cem = b""
        self.paused = False
        self._output: dict[str, Any] = {}
        self._totals: dict[str, Any] = {}
        number = charger_number
        self._not_recognised = encode("CRM", _crm(False, number, area_code))
        self._recognised = encode("CRM", _crm(True, number, area_code))
        self._number = number
        self._builders: dict[Phase, tuple[tuple[str, Callable[[], bytes]], ...]] = {
            Phase.HANDSHAKE: (("CHM", lambda: encode("CHM", {"version": PROTOCOL_VERSION})),),
            Phase.RECOGNITION: (("CRM", lambda: self._not_recognised),),
            Phase.RECOGNISED: (("CRM", lambda: self._recognised),),
            Phase.PARAMETERS: (("CTS", self._cts), ("CML", self.cml)),
            Phase.WAIT_READY: (("CRO", lambda: encode("CRO", {"ready": False})),),
            Phase.READY: (("CRO", lambda: encode("CRO", {"ready": True})),),
            Phase.CHARGING: (("CCS", self._ccs),),
            Phase.STOPPING: (("CST", lambda: self.cst),),
            Phase.ENDING: (("CSD", self._csd),),
            Phase.TIMED_OUT: (("CEM", lambda: self.cem),),
        }
        self.clear()

    def clear(self) -> None:
        """No output, no permission, no totals."""
        self.paused = False
        self.set_output(0.0, 0.0, False, 0)
        self.set_totals(0, 0)

    def cycles(self, phase: Phase, now_s: float) -> list[Cycle]:
        """The messages ``phase`` repeats, on grids that start now."""
        if phase is Phase.TIMED_OUT and not self.cem:
            return []
        return [
            Cycle(MESSAGES[name].identifier, MESSAGES[name].period_s, build, now_s)
            for name, build in self._builders.get(phase, ())
        ]

    def set_output(self, voltage_v: float, current_a: float, permitted: bool, minutes: int) -> None:
        """Content of CCS; values the message cannot carry become the nearest it can."""
        self._output = {
            "voltage_v": _clamped(voltage_v, 0.0, MAXIMUM_VOLTAGE_V),
            "current_a": _clamped(current_a, -MAXIMUM_CURRENT_A, MAXIMUM_CURRENT_A),
            "permitted": permitted,
            "minutes": max(0, minutes),
        }

    def set_totals(self, minutes: int, energy_wh: int) -> None:
        """Content of CSD; the message ends at 600 min and 1000 kWh."""
        self._totals = {"minutes": max(0, minutes), "energy_kwh": max(0, energy_wh) / 1000}

    def cml(self) -> bytes:
        """Payload of CML: what the charger can deliver."""
        limits = self.limits
        return encode(
            "CML",
            {
                "maximum_voltage_v": limits.maximum_voltage_v,
                "minimum_voltage_v": limits.minimum_voltage_v,
                "maximum_current_a": min(limits.maximum_current_a, MAXIMUM_CURRENT_A),
                "minimum_current_a": min(limits.minimum_current_a, MAXIMUM_CURRENT_A),
            },
        )

    def _cts(self) -> bytes:
        if self.local_time is None:
            return _TIME_UNKNOWN
        try:
            return encode("CTS", dict(zip(_TIME_NAMES, self.local_time, strict=False)))
        except MessageError:
            return _TIME_UNKNOWN

    def _ccs(self) -> bytes:
        return encode("CCS", {**self._output, "permitted": self._output["permitted"] and not self.paused})

    def _csd(self) -> bytes:
        # The same four bytes as in CRM: the offset of 1 the table prints for SPN 3613 is used by no recorded charger.
        return encode("CSD", {**self._totals, "charger_number": self._number})


def _crm(recognised: bool, number: int, area_code: bytes) -> dict[str, Any]:
    return {"recognised": recognised, "charger_number": number, "area_code": area_code}


def _clamped(value: float, low: float, high: float) -> float:
    """``value`` within the bounds; NaN becomes 0."""
    return min(max(low, value), high) if value == value else 0.0

"""What a step wants to send to the vehicle or to do in the dialogue, as data; and how it is done."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from drivers.gbt27930.charger.dialogue import Charger

LocalTime = tuple[int, int, int, int, int, int]
"""Year, month, day, hour, minute, second."""


class Begin(msgspec.Struct, frozen=True):
    """Auxiliary supply closed, lock confirmed: the handshake begins."""


class InsulationPassed(msgspec.Struct, frozen=True):
    """The self-test is done: recognition begins."""


class OutputReady(msgspec.Struct, frozen=True):
    """Precharge done, K1/K2 closed."""


class Finish(msgspec.Struct, frozen=True):
    """The auxiliary supply is open: silence."""


class Reconnect(msgspec.Struct, frozen=True):
    """A new handshake from the recognition on, with the output off."""


class SetTime(msgspec.Struct, frozen=True):
    """Time of day for CTS; None while the clock was never set."""

    local_time: LocalTime | None


class SetOutput(msgspec.Struct, frozen=True):
    """Content of CCS: measured volts and amperes, permission, elapsed minutes."""

    voltage_v: float
    current_a: float
    permitted: bool
    minutes: int


class SetTotals(msgspec.Struct, frozen=True):
    """Content of CSD: minutes and energy of the session."""

    minutes: int
    energy_wh: int


Action = Begin | InsulationPassed | OutputReady | Finish | Reconnect | SetTime | SetOutput | SetTotals
"""One thing to be done in the dialogue."""


def _set_time(charger: Charger, action: SetTime, now_s: float) -> None:
    charger.local_time = action.local_time


_DOING: Mapping[type, Callable[[Charger, Any, float], object]] = {
    Begin: lambda charger, _, now_s: charger.begin(now_s),
    InsulationPassed: lambda charger, _, now_s: charger.insulation_passed(now_s),
    OutputReady: lambda charger, _, now_s: charger.output_ready(now_s),
    Finish: lambda charger, _, now_s: charger.finish(now_s),
    Reconnect: lambda charger, _, now_s: charger.reconnect(now_s),
    SetTime: _set_time,
    SetOutput: lambda charger, action, _: charger.set_output(
        action.voltage_v, action.current_a, action.permitted, action.minutes
    ),
    SetTotals: lambda charger, action, _: charger.set_totals(action.minutes, action.energy_wh),
}


def do(charger: Charger, action: Action, now_s: float) -> None:
    """Do it."""
    _DOING[type(action)](charger, action, now_s)

"""Work on the billing meter that the ledger must know of: its unit proven against the display, its exchange.

Both are local commands, only without a session, and refused unless all agrees with the present reading of the meter.
"""

from collections.abc import Callable, Mapping
from typing import Any

from agent.control.metering.meter import Metering
from agent.vocabulary import kinds, reasons
from agent.vocabulary.event_bodies import MeterExchanged, MeterUnitProven

_PROVEN_TIMES = 20
"""A proof needs a register of so many tolerances: then a unit that is ten times too large or too small is seen."""
_EXCHANGE_SLACK_WH = 10
"""How far the register may be from what was read at the exchange, besides two digits of the meter (own)."""
_LONGEST_TEXT = 64


RegisterNow = Callable[[], int]
"""The valid register in Wh while no session runs; raises RefusedError."""


class RefusedError(Exception):
    """The command is refused; the text is the reason."""


def prove(metering: Metering, register_now: RegisterNow, arguments: Mapping[str, Any]) -> MeterUnitProven:
    """Compare the display with the register. Returns the audit record of a proven unit.

    Raises RefusedError with the reason.
    """
    body = _proof(metering, register_now, arguments)
    metering.proof = body["proof"]
    return body


def exchange(metering: Metering, register_now: RegisterNow, arguments: Mapping[str, Any]) -> MeterExchanged:
    """The audit record of an exchanged meter, with the end of the old and the start of the new.

    Raises RefusedError with the reason.
    """
    body = _exchange(metering, register_now, arguments)
    metering.register.exchanged()
    return body


def _whole(arguments: Mapping[str, Any], name: str, least: int) -> int:
    value = arguments.get(name)
    if type(value) is not int or not least <= value <= 10**15:
        raise RefusedError(f"{reasons.BAD_ARGUMENTS}: {name} must be a whole number, at least {least}")
    return value


def _text(arguments: Mapping[str, Any], name: str, *, needed: bool = True) -> str:
    value = arguments.get(name, "")
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT or (needed and not value):
        raise RefusedError(f"{reasons.BAD_ARGUMENTS}: {name} must be text of at most {_LONGEST_TEXT} characters")
    return value


def _known(arguments: Mapping[str, Any], names: frozenset[str]) -> None:
    unknown = sorted(set(arguments) - names)
    if unknown:
        raise RefusedError(f"{reasons.BAD_ARGUMENTS}: unknown argument {unknown[0]}")


def _proof(metering: Metering, register_now: RegisterNow, arguments: Mapping[str, Any]) -> MeterUnitProven:
    _known(arguments, frozenset({"display_mwh", "display_step_mwh", "by"}))
    display_mwh, display_step_mwh = _whole(arguments, "display_mwh", 0), _whole(arguments, "display_step_mwh", 1)
    by = _text(arguments, "by", needed=False)
    register_wh = register_now()
    tolerance_mwh = display_step_mwh + 1000 * metering.parameters.register_form.step_wh
    if display_mwh < _PROVEN_TIMES * tolerance_mwh:
        raise RefusedError(f"{reasons.DISPLAY_TOO_SMALL}: {-(-_PROVEN_TIMES * tolerance_mwh // 1000)} Wh")
    if abs(register_wh * 1000 - display_mwh) > tolerance_mwh:
        raise RefusedError(f"{reasons.REGISTER_DIFFERS}: {register_wh} Wh")
    meter = metering.parameters.meter
    return {
        "audit": kinds.METER_UNIT_PROVEN,
        "proof": metering.parameters.meter_proof_key,
        "model": meter.get("model", ""),
        "serial_number": meter.get("serial_number", ""),
        "energy_unit_wh": str(meter.get("energy_unit_wh", "")),
        "display_mwh": display_mwh,
        "display_step_mwh": display_step_mwh,
        "register_wh": register_wh,
        "by": by,
    }


def _exchange(metering: Metering, register_now: RegisterNow, arguments: Mapping[str, Any]) -> MeterExchanged:
    _known(arguments, frozenset({"old_serial", "old_end_wh", "serial", "new_start_wh", "by", "reason"}))
    old_end_wh, new_start_wh = _whole(arguments, "old_end_wh", 0), _whole(arguments, "new_start_wh", 0)
    old_serial, serial = _text(arguments, "old_serial"), _text(arguments, "serial")
    by, reason = _text(arguments, "by", needed=False), _text(arguments, "reason", needed=False)
    if serial == old_serial:
        raise RefusedError(reasons.SAME_SERIAL)
    in_file = str(metering.parameters.meter.get("serial_number", ""))
    if serial != in_file:
        # Every bill names the meter of the site file: first the file, then the exchange.
        raise RefusedError(f"{reasons.SERIAL_DIFFERS}: {in_file}")
    register_wh = register_now()
    form = metering.parameters.register_form
    if abs(register_wh - new_start_wh) > _EXCHANGE_SLACK_WH + 2 * form.step_wh:
        raise RefusedError(f"{reasons.REGISTER_DIFFERS}: {register_wh} Wh")
    former_wh = metering.register.before_move_wh
    if former_wh is not None and old_end_wh < former_wh:
        raise RefusedError(f"{reasons.OLD_END_BELOW}: {former_wh} Wh")
    return {
        "audit": kinds.METER_EXCHANGED,
        "old": {"serial_number": old_serial, "register_end_wh": old_end_wh},
        "new": {"serial_number": serial, "register_start_wh": new_start_wh},
        "register_wh": register_wh,
        "former_wh": former_wh,
        "by": by,
        "reason": reason,
    }

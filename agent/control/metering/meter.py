"""What is watched about the billing meter besides its readings: verification, unit, a stuck register."""

from collections.abc import Mapping
from typing import Any

from agent.control.metering.meter_parameters import MeterParameters
from agent.control.metering.register_watch import RegisterWatch
from agent.settings.catalogue import Fault, threshold_of
from drivers.meters.register_form import RegisterForm

_DAY_MS = 86_400_000
_EPOCH_DAY = 719_163
"""Day number (proleptic Gregorian, as ``date.toordinal`` counts) of 1 January 1970."""
_STUCK_AT_LEAST_S = 10.0
"""A register is asked to move only after this long (own: slow meters update it every few seconds)."""
_STUCK_STEPS = 5
"""Digits that must have flowed as well (own)."""
_LONGEST_STEP_S = 1.0
"""Of a longer gap between two evaluations only this much is counted: what flowed meanwhile is unknown."""


def days_left(due_day: int, wall_ms: int, utc_offset_minutes: int) -> int:
    """Whole days until the last day of validity (a day number), local time; 0 on that day, negative after it."""
    return due_day - _EPOCH_DAY - (wall_ms + utc_offset_minutes * 60_000) // _DAY_MS


def verification_findings(left: int, faults: Mapping[str, Fault], *, refuse: bool) -> frozenset[str]:
    """Faults for a verification that is valid for ``left`` more days, by the days in the catalogue ``faults``.

    ``refuse``: the site refuses charges after it.
    """
    if left < 0:
        expired = {"meter_verification_expired"}
        return frozenset(expired | {"meter_verification_refused"} if refuse else expired)
    if left <= threshold_of(faults, "meter_verification_near"):
        return frozenset({"meter_verification_near"})
    due = left <= threshold_of(faults, "meter_verification_due")
    return frozenset({"meter_verification_due"}) if due else frozenset()


class StuckRegister:
    """Whether the register is stuck although energy flows.

    The power stage's own voltage times current gives how much must have flowed since the register last moved. That
    integral is good enough to doubt a meter, and never enters a bill.
    """

    def __init__(self, form: RegisterForm) -> None:
        self._steps_wh = _STUCK_STEPS * form.step_wh
        self._expected_wh = 0.0
        self._looked_at_s = 0.0
        self._since_s = 0.0
        self._register_wh: int | None = None

    def look(
        self, now_s: float, register_wh: int | None, threshold_wh: float, *, charging: bool, power_w: float | None
    ) -> bool:
        """Take one evaluation in. A register or a power that is None is not known, and proves nothing either way."""
        step_s, self._looked_at_s = min(now_s - self._looked_at_s, _LONGEST_STEP_S), now_s
        if charging and register_wh is None:
            # A meter that does not answer is lost, not stuck.
            return False
        if not charging or register_wh != self._register_wh:
            self._register_wh, self._since_s, self._expected_wh = register_wh, now_s, 0.0
            return False
        self._expected_wh += max(0.0, power_w or 0.0) * step_s / 3600.0
        enough = self._expected_wh > threshold_wh + self._steps_wh
        return enough and now_s - self._since_s > _STUCK_AT_LEAST_S


class Metering:
    """The billing meter of one connector: its register, and what is found about it."""

    def __init__(self, parameters: MeterParameters) -> None:
        form = parameters.register_form
        self.parameters = parameters
        self.register = RegisterWatch(form, parameters.maximum_power_w)
        self.proof = ""
        """What the last proof of the unit in the ledger was made for."""
        self._stuck = StuckRegister(form)

    @property
    def unit_proven(self) -> bool:
        """The unit of the register is undisputed, or the ledger holds a proof for this very meter and setting."""
        return not self.parameters.register_form.unit_disputed or self.proof == self.parameters.meter_proof_key

    def findings(
        self,
        now_s: float,
        wall_ms: int,
        wall_quality: str,
        *,
        register_wh: int | None,
        proof_known: bool,
        charging: bool,
        power_w: float | None,
    ) -> frozenset[str]:
        """Faults of ``METER_FINDINGS`` that are present now.

        ``register_wh`` is the valid register, ``power_w`` the output by the power modules (None while unknown). With an
        unset clock dates are not judged, and until ``proof_known`` (the recorder has reported) nor is the
        unit.
        """
        found: frozenset[str] = frozenset()
        parameters = self.parameters
        stuck_wh = threshold_of(parameters.faults, "meter_register_stuck")
        if self._stuck.look(now_s, register_wh, stuck_wh, charging=charging, power_w=power_w):
            found = found | {"meter_register_stuck"}
        if proof_known and not self.unit_proven:
            found = found | {"meter_unit_unproven"}
        if parameters.verification_due_day is not None and wall_quality != "unset":
            left = days_left(parameters.verification_due_day, wall_ms, parameters.tariff.utc_offset_minutes)
            found = found | verification_findings(
                left, parameters.faults, refuse=parameters.refuse_after_verification_due
            )
        return found

    def as_record(self) -> dict[str, Any]:
        """The meter as it is in the record of a session, with everything that proves its register."""
        form = self.parameters.register_form
        known = {"register_step_mwh": form.step_mwh, "register_modulus_wh": form.modulus_wh}
        return {
            **self.parameters.meter,
            **{key: value for key, value in known.items() if value is not None},
            "unit_proven": self.unit_proven,
        }

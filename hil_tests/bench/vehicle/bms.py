"""The BMS side of GB/T 27930-2015: phases, timers, contactors K5/K6. Pure; every call carries the time.

The numbers of the timers are those of the BMS side of the standard (reference table 3.3, last paragraph); where the
standard leaves something open, the constant documents the choice and its reason.
"""

import enum
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from drivers.gbt27930.messages.table import MESSAGES
from hil_tests.bench.vehicle import payloads
from hil_tests.bench.vehicle.battery import Battery, Demand
from hil_tests.bench.vehicle.cadence import Cadence
from hil_tests.bench.vehicle.guard import Guard
from hil_tests.bench.vehicle.mischief import SPOKEN, Mischief
from hil_tests.bench.vehicle.payloads import Values

CRM_AFTER_CHM_S = 30.0
CRM_AFTER_START_S = 60.0
CRM_RECOGNISED_S = 5.0
CML_S = 5.0
CRO_S = 5.0
CRO_READY_S = 60.0
CCS_S = 1.0
CST_AFTER_BST_S = 5.0
CSD_AFTER_BST_S = 10.0
NEW_CRM_S = 30.0
ATTEMPTS_AT_MOST = 4
"""The first recognition and three new ones after time-outs; after that only a new plug-in helps."""

NO_CURRENT_A = 5.0
"""K5/K6 open below this current (GB/T 18487.1)."""

CONTACTORS_OPEN_AT_LATEST_S = 10.0
"""K5/K6 open under load when the current has not gone by then (GB/T 18487.1: 10 s after a time-out)."""

CONTACTOR_TIME_S = 0.2
"""From the closing command to BRO AA: own choice, a large DC contactor needs less than 100 ms."""

ERROR_SHOWN_S = 1.0
"""BEM is sent for at least this long before a new CRM is taken up, so that the charger has seen it. Own choice."""

BST_SHOWN_S = 0.1
"""BST is sent for at least this long, ten periods, even when CST was there first. Own choice."""

STATISTICS_AT_LATEST_S = 3.0
"""BSD starts this long after BST even if the contactors are still closed: the charger waits 10 s for it. Own choice."""

CHM_STALE_S = 1.0
"""BHM is sent only while CHM comes; this is four of its periods. Own choice."""

SUPPLY_ON_V = 9.0
SUPPLY_OFF_V = 6.0
"""The BMS starts above the one and dies below the other; 12 V is nominal. Own choice."""


class Phase(enum.Enum):
    """What the BMS is doing."""

    ASLEEP = "asleep"
    WAKING = "waking"
    HANDSHAKE = "handshake"
    RECOGNITION = "recognition"
    PARAMETERS = "parameters"
    PREPARING = "preparing"
    READY = "ready"
    CHARGING = "charging"
    ENDING = "ending"
    STATISTICS = "statistics"
    FINISHED = "finished"
    TIMED_OUT = "timed out"
    GAVE_UP = "gave up"


_IN_SESSION = (
    Phase.RECOGNITION, Phase.PARAMETERS, Phase.PREPARING, Phase.READY, Phase.CHARGING, Phase.ENDING, Phase.STATISTICS,
)  # fmt: skip
_STOPPABLE = (Phase.RECOGNITION, Phase.PARAMETERS, Phase.PREPARING, Phase.READY, Phase.CHARGING)

_SENT: dict[Phase, tuple[str, ...]] = {
    Phase.HANDSHAKE: ("BHM",),
    Phase.RECOGNITION: ("BRM",),
    Phase.PARAMETERS: ("BCP",),
    Phase.PREPARING: ("BRO",),
    Phase.READY: ("BRO",),
    Phase.CHARGING: ("BCL", "BCS", "BSM", "BMV", "BMT", "BSP"),
    Phase.ENDING: ("BST",),
    Phase.STATISTICS: ("BSD",),
    Phase.TIMED_OUT: ("BEM",),
}


@dataclass(frozen=True, slots=True)
class Inlet:
    """What the vehicle finds at its inlet: plug, auxiliary supply in V, DC terminals in V, current into it in A."""

    plugged: bool = False
    auxiliary_voltage_v: float = 0.0
    terminal_voltage_v: float = 0.0
    current_a: float = 0.0


class Bms:
    """The phase machine. Give it the inlet and the charger's messages; take its messages and its contactors."""

    def __init__(self, battery: Battery, mischief: Mischief, rng: random.Random) -> None:
        self.phase = Phase.ASLEEP
        self.since_s = 0.0
        self.contactors_closed = False
        self.attempts = 0
        self.timed_out: str | None = None
        self.stop_reason: str | None = None
        self.last_heard: dict[str, Values] = {}
        self._battery = battery
        self._mischief = mischief
        self._manners = battery.profile.manners
        self._inlet = Inlet()
        self._guard = Guard(battery)
        self._heard_s: dict[str, float] = {}
        self._first_heard_s: dict[str, float] = {}
        self._awake_supply = False
        self._must_open_s: float | None = None
        self._ending_s = 0.0
        self._first_current_s: float | None = None
        self._cadences = {
            name: Cadence(MESSAGES[name].period_s, self._manners.jitter, rng, self._manners.interval_s(name))
            for name in _spoken(self._manners.lists)
        }
        self._trailing: dict[str, float] = {}
        self._values: dict[str, Callable[[float], Values]] = {
            "BHM": lambda _: payloads.bhm(battery),
            "BRM": lambda _: payloads.brm(battery),
            "BCP": lambda _: payloads.bcp(battery, mischief),
            "BRO": lambda _: {"ready": self.phase is not Phase.PREPARING and not mischief.never_ready},
            "BCL": lambda _: payloads.bcl(self.demand()),
            "BCS": lambda _: payloads.bcs(battery, self._inlet.terminal_voltage_v, self._inlet.current_a),
            "BSM": self._bsm,
            "BMV": lambda _: payloads.bmv(battery),
            "BMT": lambda _: payloads.bmt(battery),
            "BSP": lambda _: payloads.bsp(),
            "BST": lambda _: {self.stop_reason or "other_fault": 1},
            "BSD": lambda _: payloads.bsd(battery),
            "BEM": lambda _: {self.timed_out: 1} if self.timed_out else {},
        }

    # ------------------------------------------------------------------------------------------------------- inputs

    def sense(self, inlet: Inlet, now_s: float) -> None:
        """Take over what is found at the inlet."""
        self._inlet = inlet
        limit_v = SUPPLY_OFF_V if self._awake_supply else SUPPLY_ON_V
        self._awake_supply = inlet.plugged and inlet.auxiliary_voltage_v >= limit_v
        if not self._awake_supply:
            if self.phase is not Phase.ASLEEP:
                self._fall_asleep(now_s)
        elif self.phase is Phase.ASLEEP:
            self._enter(Phase.WAKING, now_s)

    def hear(self, name: str, values: Values, now_s: float) -> None:
        """Take a complete, readable message of the charger."""
        if self.phase in (Phase.ASLEEP, Phase.WAKING):
            return
        self._heard_s[name] = now_s
        self._first_heard_s.setdefault(name, now_s)
        self.last_heard[name] = values
        if name == "CEM":
            self._hear_error(now_s)
        elif name == "CST":
            self._hear_stop(now_s)
        elif name == "CRM":
            self._hear_recognition(values, now_s)
        elif name == "CML":
            self._hear_limits(values, now_s)
        elif name == "CRO" and self.phase is Phase.READY and values["ready"]:
            self._enter(Phase.CHARGING, now_s)
        elif name == "CSD" and self.phase is Phase.STATISTICS:
            self._enter(Phase.FINISHED, now_s)

    def stop(self, reason: str, now_s: float) -> bool:
        """End the charge by BST with this field set. False if there is nothing to end."""
        if self.phase not in _STOPPABLE:
            return False
        self.stop_reason = reason
        self._enter(Phase.ENDING, now_s)
        return True

    # ------------------------------------------------------------------------------------------------------ outputs

    def demand(self) -> Demand:
        """What BCL asks for: the battery's demand, or the one that was ordered."""
        own = self._battery.demand()
        if self._mischief.demand is None:
            return own
        voltage_v, current_a = self._mischief.demand
        return Demand(voltage_v, current_a, own.mode)

    @property
    def permitted(self) -> bool:
        """Whether BSM permits charging now, apart from the pause of the profile."""
        return self._mischief.permit and self._battery.current_limit_a > 0

    def poll(self, now_s: float) -> list[tuple[str, Values]]:
        """Advance the time, then return the messages that are due: names and values."""
        self._advance(now_s)
        self._drive_contactors(now_s)
        return [(name, self._values[name](now_s)) for name, each in self._cadences.items() if each.take(now_s)]

    def values(self, name: str, now_s: float) -> Values:
        """The values of message ``name`` at this time, due or not."""
        return self._values[name](now_s)

    def next_due(self) -> float | None:
        """When the next message is due, or None while the BMS is silent."""
        return min((each.due_s for each in self._cadences.values() if each.due_s is not None), default=None)

    # ------------------------------------------------------------------------------------------- the charger's words

    def _hear_recognition(self, values: Values, now_s: float) -> None:
        if values["recognised"]:
            if self.phase is Phase.RECOGNITION:
                self._enter(Phase.PARAMETERS, now_s)
        elif self.phase is Phase.HANDSHAKE or self._may_begin_again(now_s):
            self.attempts += 1
            self._enter(Phase.RECOGNITION, now_s)

    def _may_begin_again(self, now_s: float) -> bool:
        return (
            self.phase is Phase.TIMED_OUT
            and not self.contactors_closed
            and self.attempts < ATTEMPTS_AT_MOST
            and now_s - self.since_s >= ERROR_SHOWN_S
        )

    def _hear_limits(self, values: Values, now_s: float) -> None:
        if self.phase is not Phase.PARAMETERS:
            return
        highest_v, lowest_v, highest_a = (
            values[key] for key in ("maximum_voltage_v", "minimum_voltage_v", "maximum_current_a")
        )
        if highest_v is None or lowest_v is None or highest_a is None:
            return
        self._battery.respect(highest_v, highest_a)
        self._enter(Phase.PREPARING, now_s)

    @property
    def _charger_fits(self) -> bool:
        """The charger reaches the voltage of this battery; if not, the BMS never gets ready."""
        limits: dict[str, Any] = self.last_heard["CML"]
        return bool(limits["minimum_voltage_v"] <= self._battery.source_voltage_v < limits["maximum_voltage_v"])

    def _hear_stop(self, now_s: float) -> None:
        if self.phase in _STOPPABLE:
            self.stop_reason = "stopped_by_charger"
            self._enter(Phase.ENDING, now_s)

    def _hear_error(self, now_s: float) -> None:
        if self.phase in (Phase.ENDING, Phase.STATISTICS):
            self._enter(Phase.FINISHED, now_s)
        elif self.phase in _IN_SESSION:
            self.timed_out = None
            self._enter(Phase.TIMED_OUT, now_s)

    # --------------------------------------------------------------------------------------------------------- time

    def _advance(self, now_s: float) -> None:
        since_s = now_s - self.since_s
        for name in [name for name, end_s in self._trailing.items() if now_s >= end_s]:
            del self._trailing[name]
            self._set_running(name, False, now_s)
        if self.phase is Phase.WAKING and since_s >= self._manners.wake_s:
            self._enter(Phase.HANDSHAKE, now_s)
        elif self.phase is Phase.HANDSHAKE:
            self._set_running("BHM", now_s - self._heard_s.get("CHM", -CHM_STALE_S) < CHM_STALE_S, now_s)
        elif self.phase is Phase.PREPARING:
            self._prepare(since_s, now_s)
        elif self.phase is Phase.CHARGING:
            self._watch_battery(now_s)
        elif self.phase is Phase.ENDING:
            settled = not self.contactors_closed or since_s >= STATISTICS_AT_LATEST_S
            if "CST" in self._heard_s and since_s >= BST_SHOWN_S and settled:
                self._enter(Phase.STATISTICS, now_s)
        elif self.phase is Phase.TIMED_OUT and since_s >= NEW_CRM_S:
            self._enter(Phase.GAVE_UP, now_s)
        if self._mischief.watch_timers:
            missing = self._missing(now_s)
            if missing is not None:
                self.timed_out = missing
                self._enter(Phase.TIMED_OUT, now_s)

    def _prepare(self, since_s: float, now_s: float) -> None:
        if self._mischief.never_ready or not self._charger_fits:
            return
        if since_s >= self._manners.prepare_s and not self.contactors_closed:
            self._close_contactors()
        if since_s >= self._manners.prepare_s + CONTACTOR_TIME_S:
            self._enter(Phase.READY, now_s)

    def _watch_battery(self, now_s: float) -> None:
        reason = self._battery.end_reason()
        states = payloads.bsm_states(self._battery, self._mischief)
        fault = self._guard.watch(self._inlet.terminal_voltage_v, self._inlet.current_a, self.demand(), states, now_s)
        if reason is not None or fault is not None:
            self.stop(reason.value if reason is not None else fault or "other_fault", now_s)
        elif self._first_current_s is None and self._inlet.current_a > 1.0:
            self._first_current_s = now_s

    def _missing(self, now_s: float) -> str | None:
        """Field of BEM for a message that should have come by now."""
        waited_s = now_s - self.since_s
        silent_s = {name: now_s - at_s for name, at_s in self._heard_s.items()}
        if self.phase is Phase.HANDSHAKE:
            first_chm_s = self._first_heard_s.get("CHM")
            late = waited_s > CRM_AFTER_START_S if first_chm_s is None else now_s - first_chm_s > CRM_AFTER_CHM_S
            return "crm_not_recognised_timeout" if late else None
        if self.phase is Phase.RECOGNITION and waited_s > CRM_RECOGNISED_S:
            return "crm_recognised_timeout"
        if self.phase is Phase.PARAMETERS and waited_s > CML_S:
            return "cts_cml_timeout"
        if self.phase is Phase.PREPARING and silent_s.get("CML", waited_s) > CML_S:
            return "cts_cml_timeout"
        if self.phase is Phase.READY and (silent_s.get("CRO", waited_s) > CRO_S or waited_s > CRO_READY_S):
            return "cro_timeout"
        # Until its first CCS the charger goes on with CRO AA, and that shows that it is there.
        if self.phase is Phase.CHARGING and silent_s.get("CCS", silent_s.get("CRO", waited_s)) > CCS_S:
            return "ccs_timeout"
        if self.phase is Phase.ENDING and "CST" not in silent_s and waited_s > CST_AFTER_BST_S:
            return "cst_timeout"
        if self.phase is Phase.STATISTICS and now_s - self._ending_s > CSD_AFTER_BST_S:
            return "csd_timeout"
        return None

    def _bsm(self, now_s: float) -> Values:
        start_s = self._first_current_s
        begin_s = self._manners.pause_after_s
        end_s = begin_s + self._manners.pause_s
        pausing = start_s is not None and begin_s <= now_s - start_s < end_s
        states = payloads.bsm_states(self._battery, self._mischief)
        return payloads.bsm(self._battery, states, self.permitted and not pausing)

    # ------------------------------------------------------------------------------------------ phases and contactors

    def _enter(self, phase: Phase, now_s: float) -> None:
        if phase is Phase.ENDING:
            self._ending_s = now_s
        if phase is Phase.RECOGNITION:
            self.stop_reason = self.timed_out = None
        # What was heard counts for the phase it was heard in. Two messages begin a phase and count in the next one.
        kept = {Phase.PREPARING: "CML", Phase.CHARGING: "CRO", Phase.ENDING: "CST"}.get(phase)
        self._heard_s = {name: at_s for name, at_s in self._heard_s.items() if name == kept and at_s == now_s}
        self._first_heard_s = {}
        self.phase = phase
        self.since_s = now_s
        self._guard.reset()
        for name, cadence in self._cadences.items():
            if name in _SENT.get(phase, ()):
                self._trailing.pop(name, None)
                self._set_running(name, name not in ("BHM", "BEM"), now_s)
            elif phase is Phase.ASLEEP or cadence.due_s is None or name in self._trailing:
                self._set_running(name, name in self._trailing and phase is not Phase.ASLEEP, now_s)
            elif name not in self._mischief.kept:
                self._let_trail(name, now_s)
        if phase is Phase.TIMED_OUT and self.timed_out is not None:
            self._set_running("BEM", True, now_s)

    def _let_trail(self, name: str, now_s: float) -> None:
        """The phase of this message is over: it ends at once or, with a sluggish BMS, a little later."""
        if name in self._manners.trailing_s:
            self._trailing[name] = now_s + self._manners.trailing_s[name]
        else:
            self._set_running(name, False, now_s)

    def _set_running(self, name: str, running: bool, now_s: float) -> None:
        cadence = self._cadences[name]
        if running:
            cadence.start(now_s)
        else:
            cadence.stop()

    def _fall_asleep(self, now_s: float) -> None:
        self._trailing.clear()
        self._enter(Phase.ASLEEP, now_s)
        self.attempts = 0
        self.timed_out = None
        self._open_contactors()
        self._first_current_s = None
        self._battery.rest()

    def _close_contactors(self) -> None:
        self.contactors_closed = not self._mischief.contactors_forced_open
        self._must_open_s = None

    def _open_contactors(self) -> None:
        self.contactors_closed = False
        self._must_open_s = None

    def _drive_contactors(self, now_s: float) -> None:
        if not self.contactors_closed:
            return
        if self._mischief.contactors_forced_open:
            self._open_contactors()
        elif self.phase in (Phase.PREPARING, Phase.READY, Phase.CHARGING):
            self._must_open_s = None
        else:
            if self._must_open_s is None:
                self._must_open_s = now_s + CONTACTORS_OPEN_AT_LATEST_S
            if abs(self._inlet.current_a) < NO_CURRENT_A or now_s >= self._must_open_s:
                self._open_contactors()


def _spoken(lists: list[str]) -> list[str]:
    """Messages this BMS sends: all, but of the optional lists only those of the profile."""
    return [name for name in SPOKEN if MESSAGES[name].item_bytes == 0 or name in lists]

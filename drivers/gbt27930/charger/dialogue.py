"""The charger's side of the GB/T 27930 dialogue: phases, cyclic messages, time-outs. No I/O, no clock.

Frames of the vehicle and the time go in; frames to send, events and the vehicle's data come out. The charging control
decides what only it can know (insulation passed, output ready, stop); the obligations of the protocol itself (answer a
BST with CST, stop on a fault in BSM, give up after a time-out) are met here, and an event reports them to the control.

After VEHICLE_FAULT, STOP_REQUESTED and TIMEOUT the phase has already changed; the control must take the output down.
"""

from collections.abc import Callable, Mapping
from typing import Any

from drivers.can.frame import CanFrame
from drivers.gbt27930.charger.expectations import (
    EXPECTED,
    PGNS_OF_2024,
    TRAILING,
    TRANSFERRED_PGNS,
    VEHICLE_MESSAGES_BY_PGN,
    VERSION_NEGOTIATION_PGN,
    offered_version,
    raised,
    speaks_2011,
)
from drivers.gbt27930.charger.phases import (
    BEFORE_CHARGING_2023,
    SILENT,
    ChargerLimits,
    Edition,
    Event,
    EventKind,
    Latest,
    Phase,
    StopCause,
    VehicleData,
    stop_bits,
)
from drivers.gbt27930.charger.reports import Reports
from drivers.gbt27930.charger.sendings import Sendings
from drivers.gbt27930.charger.timers import BY_WATCH, LONGEST_RECONNECTS, TIME_LIMITS, Cycle, TimeLimit, Watch
from drivers.gbt27930.judge.states import faults_of
from drivers.gbt27930.messages.fields import CHARGER_ADDRESS, VEHICLE_ADDRESS, MessageError
from drivers.gbt27930.messages.table import CODECS, MESSAGES, Message, encode
from drivers.gbt27930.messages.table_vehicle import FAULT, NORMAL
from drivers.gbt27930.transport.transport import Transport

__all__ = ["Charger", "ChargerLimits", "Event", "EventKind", "Latest", "Phase", "StopCause", "VehicleData"]

_BEFORE_OUTPUT = frozenset({Phase.HANDSHAKE, Phase.RECOGNITION, Phase.RECOGNISED, Phase.PARAMETERS, Phase.WAIT_READY})
_TRANSPORT_TROUBLES = ("malformed", "inconsistent_requests", "receive_failed")
"""Counters of the transport that mean a message was lost because of what the vehicle sent."""
_OUTPUT_ON = frozenset({Phase.READY, Phase.CHARGING})


class Charger:
    """The charger's side of one connector.

    ``charger_number`` (0 to 2^32 - 1) and ``area_code`` (3 bytes, ones when unused) go into CRM and CSD. ``edition``
    chooses the rules where 2015 and 2023 differ. ``local_time`` (year, month, day, hour, minute, second) goes into
    CTS; None, or values that are not a valid time, mean "unknown". Poll right after each command and each batch of
    frames: the times of a phase run from its entry. Raises ValueError for a charger number or area code out of range.
    """

    def __init__(
        self,
        *,
        charger_number: int,
        limits: ChargerLimits,
        area_code: bytes = b"\xff\xff\xff",
        edition: Edition = "2015",
    ) -> None:
        self.edition: Edition = edition
        self.phase = Phase.IDLE
        self.vehicle = VehicleData()
        self.counters: dict[str, int] = dict.fromkeys(
            ("frames_in", "frames_out", "late", "unknown", "edition_2024", "refused", "while_silent"), 0
        )
        self.reconnects = 0
        self.missing: str | None = None
        """Missing message that ended the dialogue, or None."""
        self._sendings = Sendings(charger_number, area_code, limits)
        self._reports = Reports()
        self._transport = Transport(CHARGER_ADDRESS, VEHICLE_ADDRESS, accepted_pgns=TRANSFERRED_PGNS)
        self._barred = False
        self._self_tested = False
        self._version_told = False
        self._stopped_early = False
        self._transport_troubles = 0
        self._cycles: list[Cycle] = []
        self._watches: dict[Watch, float] = {}
        self._handlers: Mapping[str, Callable[[Latest], None]] = {
            "BHM": self._take_bhm,
            "BRM": self._take_brm,
            "BCP": self._take_bcp,
            "BRO": self._take_bro,
            "BCL": self._take_bcl,
            "BCS": self._take_bcs,
            "BSM": self._take_bsm,
            "BST": self._take_bst,
            "BSD": self._take_bsd,
            "BEM": self._take_bem,
        }

    @property
    def paused(self) -> bool:
        """Whether the vehicle has requested a pause (BSM, charging not permitted)."""
        return self._sendings.paused

    @property
    def local_time(self) -> tuple[int, int, int, int, int, int] | None:
        """Local time for CTS: year, month, day, hour, minute, second; None while it is unknown."""
        return self._sendings.local_time

    @local_time.setter
    def local_time(self, value: tuple[int, int, int, int, int, int] | None) -> None:
        self._sendings.local_time = value

    # -------------------------------------------------------------------------------------------- commands

    def begin(self, now_s: float) -> None:
        """Starts a session: auxiliary supply closed, lock confirmed. No effect while one is under way."""
        if self.phase not in SILENT:
            return
        self.vehicle = VehicleData()
        self.reconnects = 0
        self._barred = self._self_tested = self._version_told = False
        self._sendings.clear()
        self._start_over()
        self._enter(Phase.HANDSHAKE, now_s)

    def insulation_passed(self, now_s: float) -> None:
        """The self-test is done: CHM ends, recognition begins. Only in HANDSHAKE and after a BHM."""
        if self.phase is Phase.HANDSHAKE and self.vehicle.bhm is not None:
            self._self_tested = True
            self._enter(Phase.RECOGNITION, now_s)

    def output_ready(self, now_s: float) -> None:
        """Precharge done, K1/K2 closed: the charger reports ready. Only in WAIT_READY."""
        if self.phase is Phase.WAIT_READY:
            self._enter(Phase.READY, now_s)

    def set_limits(self, limits: ChargerLimits) -> None:
        """Set the content of CML from now on."""
        self._sendings.limits = limits

    def set_output(self, voltage_v: float, current_a: float, permitted: bool, minutes: int) -> None:
        """Set the content of CCS: measured volts and amperes (positive into the vehicle), permission, elapsed minutes.

        Values outside the range of the message are sent as the nearest value in range. During a pause requested by the
        vehicle, the permission is withheld regardless of ``permitted``.
        """
        self._sendings.set_output(voltage_v, current_a, permitted, minutes)

    def set_totals(self, minutes: int, energy_wh: int) -> None:
        """Set the content of CSD: minutes and energy of the session, limited to 600 min and 1000 kWh."""
        self._sendings.set_totals(minutes, energy_wh)

    def stop(self, now_s: float, cause: StopCause) -> None:
        """Ends the session on the charger's decision.

        From READY on the charger sends CST. Before that it goes silent, except for the causes for
        which the 2023 edition wants CST. While already stopping the first cause stays. After a time-out no
        reconnection is possible any more.
        """
        self._barred = True
        if self.phase in _OUTPUT_ON:
            self._stop(now_s, cause)
        elif self.phase in _BEFORE_OUTPUT:
            if self.edition == "2023" and cause in BEFORE_CHARGING_2023:
                if cause is StopCause.PARAMETER_MISMATCH:
                    # Send the limits first, so that the vehicle can see the mismatch itself.
                    cml = MESSAGES["CML"]
                    self._transport.send(cml.pgn, cml.priority, self._sendings.cml(), now_s)
                self._stop(now_s, cause)
            else:
                self._enter(Phase.ENDED, now_s)

    @property
    def may_reconnect(self) -> bool:
        """Whether ``reconnect`` is open now.

        Not in another phase than after a time-out, before the self-test has passed, after three new starts, or after
        what bars it: a decision to stop, a time-out while stopping, a missing BSM.
        """
        return (
            self.phase is Phase.TIMED_OUT
            and self._self_tested
            and not self._barred
            and self.reconnects < LONGEST_RECONNECTS
        )

    def reconnect(self, now_s: float) -> bool:
        """Starts again from the recognition after a time-out, with the output off. False when that is not open."""
        if not self.may_reconnect:
            return False
        self.reconnects += 1
        self.vehicle = VehicleData(bhm=self.vehicle.bhm)
        self._sendings.clear()
        self._start_over()
        self._enter(Phase.RECOGNITION, now_s)
        return True

    def finish(self, now_s: float) -> None:
        """The auxiliary supply is open: silence."""
        self._enter(Phase.ENDED, now_s)

    # -------------------------------------------------------------------------------------------- frames and time

    def receive(self, frame: CanFrame, now_s: float) -> None:
        """Takes a frame from the bus. Never raises: an unusable frame is counted and reported."""
        self.counters["frames_in"] += 1
        if self.phase in SILENT:
            self.counters["while_silent"] += 1
            return
        for received in self._transport.receive(frame, now_s):
            message = VEHICLE_MESSAGES_BY_PGN.get(received.pgn)
            if message is not None:
                self._take(message, received.payload, now_s)
            elif received.pgn in PGNS_OF_2024:
                self._take_2024(received.pgn, received.payload, now_s)
            else:
                self.counters["unknown"] += 1

    def poll(self, now_s: float) -> list[CanFrame]:
        """Frames to put on the bus now; also notices what did not come in time."""
        if self.phase in SILENT:
            return []
        self._check_time(now_s)
        frames = self._transport.poll(now_s)
        self._watch_transport(now_s)
        frames.extend(CanFrame(cycle.identifier, cycle.build()) for cycle in self._cycles if cycle.take(now_s))
        self.counters["frames_out"] += len(frames)
        return frames

    def next_due(self) -> float | None:
        """When ``poll`` has something to do; None in silence."""
        if self.phase in SILENT:
            return None
        dues = [cycle.due_s for cycle in self._cycles]
        dues += [since_s + BY_WATCH[watch].limit(self.edition) for watch, since_s in self._watches.items()]
        transport_due = self._transport.next_due()
        if transport_due is not None:
            dues.append(transport_due)
        return min(dues, default=None)

    @property
    def has_events(self) -> bool:
        """Whether ``events`` has an event."""
        return self._reports.waiting

    def events(self) -> list[Event]:
        """Events since the last call, oldest first. Of more than 256 the oldest are dropped and counted."""
        return self._reports.drain()

    def status(self) -> dict[str, Any]:
        """Phase and counters for the status page."""
        return {
            "phase": self.phase.value,
            "edition": self.edition,
            "paused": self.paused,
            "missing": self.missing,
            "reconnects": self.reconnects,
            **self.counters,
            "events_dropped": self._reports.dropped,
            "transport": dict(self._transport.counters),
        }

    # -------------------------------------------------------------------------------------------- messages in

    def _take(self, message: Message, payload: bytes, now_s: float) -> None:
        name = message.name
        if name not in EXPECTED[self.phase]:
            if name == "BRM" and self.phase is Phase.HANDSHAKE and self.vehicle.bhm is None and speaks_2011(payload):
                self._reports.tell(EventKind.PROTOCOL_2011, name, {"payload": payload.hex()}, now_s)
                self._enter(Phase.ENDED, now_s)
                return
            self.counters["late"] += 1
            if name not in TRAILING[self.phase]:
                self._reports.tell_seldom(EventKind.LATE, name, {"phase": self.phase.value}, now_s)
            return
        try:
            values = CODECS[name].decode(payload)
        except MessageError as error:
            self._refuse(name, str(error), payload, now_s)
            return
        unusable = [each for each in message.required if values[each] is None]
        if unusable:
            self._refuse(name, f"{name} has no usable {', '.join(unusable)}", payload, now_s)
            return
        latest = Latest(values, now_s)
        handler = self._handlers.get(name)
        if handler is not None:
            handler(latest)
        setattr(self.vehicle, name.lower(), latest)

    def _take_2024(self, pgn: int, payload: bytes, now_s: float) -> None:
        """A message of GB/T 27930.2-2024: counted, reported once, and the flow of 2015 continues."""
        self.counters["edition_2024"] += 1
        if pgn == VERSION_NEGOTIATION_PGN and not self._version_told:
            self._version_told = True
            detail = {"version": offered_version(payload), "payload": payload.hex()}
            self._reports.tell(EventKind.VERSION_NEGOTIATION, "version", detail, now_s)

    def _watch_transport(self, now_s: float) -> None:
        """Transfers that cannot be reassembled are reported like an unreadable message."""
        counters = self._transport.counters
        troubles = {name: counters.get(name, 0) for name in _TRANSPORT_TROUBLES}
        total = sum(troubles.values())
        if total > self._transport_troubles:
            self._transport_troubles = total
            self._reports.tell_seldom(EventKind.REFUSED, "transfer", troubles, now_s)

    def _take_bhm(self, latest: Latest) -> None:
        self._watches.pop(Watch.BHM, None)
        if self.vehicle.bhm is None:
            self._reports.tell(EventKind.VEHICLE_VOLTAGE, "BHM", latest.values, latest.at_s)

    def _take_brm(self, latest: Latest) -> None:
        self._reports.tell(EventKind.IDENTIFIED, "BRM", latest.values, latest.at_s)
        self._enter(Phase.RECOGNISED, latest.at_s)

    def _take_bcp(self, latest: Latest) -> None:
        self._reports.tell(EventKind.PARAMETERS, "BCP", latest.values, latest.at_s)
        self._enter(Phase.PARAMETERS, latest.at_s)

    def _take_bro(self, latest: Latest) -> None:
        ready = latest.values["ready"]
        if ready is None:
            return  # "invalid": neither yes nor no, so no time restarts
        if self.phase is Phase.PARAMETERS:
            self._watches.pop(Watch.BRO, None)
            if ready:
                self._reports.tell(EventKind.READY, "BRO", latest.values, latest.at_s)
                self._enter(Phase.WAIT_READY, latest.at_s)
        elif ready:
            self._watches[Watch.BRO_AGAIN] = latest.at_s
        else:
            self._reports.tell(EventKind.NOT_READY, "BRO", latest.values, latest.at_s)
            self.stop(latest.at_s, StopCause.PRECHARGE)

    def _take_bcl(self, latest: Latest) -> None:
        if self.phase is Phase.CHARGING:
            self._watches[Watch.BCL] = latest.at_s
            return
        self._watches.pop(Watch.BCL_FIRST, None)
        if self.vehicle.bcs is not None:
            self._start_charging(latest.at_s, latest.at_s, self.vehicle.bcs.at_s)

    def _take_bcs(self, latest: Latest) -> None:
        if self.phase is Phase.CHARGING:
            self._watches[Watch.BCS] = latest.at_s
            return
        if self.vehicle.bcl is not None:
            self._start_charging(latest.at_s, self.vehicle.bcl.at_s, latest.at_s)

    def _take_bsm(self, latest: Latest) -> None:
        values = latest.values
        faults = faults_of(values)
        if faults:
            self._reports.tell(EventKind.VEHICLE_FAULT, "BSM", {"states": faults}, latest.at_s)
            self.stop(latest.at_s, StopCause.FAULT)
            return
        if self.phase is Phase.CHARGING and BY_WATCH[Watch.BSM].applies(self.edition):
            self._watches[Watch.BSM] = latest.at_s
        permitted = values["charging_permitted"]
        if permitted is False and not self.paused:
            self._sendings.paused = True
            self._watches[Watch.PAUSE] = latest.at_s
            self._reports.tell(EventKind.PAUSED, "BSM", values, latest.at_s)
        elif permitted and self.paused:
            self._sendings.paused = False
            del self._watches[Watch.PAUSE]
            self._reports.tell(EventKind.RESUMED, "BSM", values, latest.at_s)

    def _take_bst(self, latest: Latest) -> None:
        if self.phase is not Phase.STOPPING:
            self._reports.tell(EventKind.STOP_REQUESTED, "BST", {"reasons": raised(latest.values)}, latest.at_s)
            self._stop(latest.at_s, StopCause.BY_VEHICLE)
        self._watches.pop(Watch.BST, None)

    def _take_bsd(self, latest: Latest) -> None:
        if self.phase is Phase.STOPPING:
            self._reports.tell(EventKind.STATISTICS, "BSD", latest.values, latest.at_s)
            self._enter(Phase.ENDING, latest.at_s)

    def _take_bem(self, latest: Latest) -> None:
        if self.vehicle.bem is None or self.vehicle.bem.values != latest.values:
            self._reports.tell(EventKind.VEHICLE_TIMEOUT, "BEM", {"reasons": raised(latest.values)}, latest.at_s)
        if self.phase in (Phase.ENDING, Phase.TIMED_OUT):
            return  # the charge is over, or the dialogue already is
        self._sendings.cem = b""
        self._enter(Phase.TIMED_OUT, latest.at_s)

    # -------------------------------------------------------------------------------------------- phases

    def _enter(self, phase: Phase, now_s: float) -> None:
        self.phase = phase
        self._watches = {each.watch: now_s for each in TIME_LIMITS if each.starts_in is phase}
        self._cycles = self._sendings.cycles(phase, now_s)
        if phase not in _OUTPUT_ON:
            self._sendings.paused = False

    def _start_charging(self, now_s: float, bcl_s: float, bcs_s: float) -> None:
        paused_s = self._watches.get(Watch.PAUSE)
        self._enter(Phase.CHARGING, now_s)
        self._watches = {Watch.BCL: bcl_s, Watch.BCS: bcs_s}
        if paused_s is not None:
            self._watches[Watch.PAUSE] = paused_s
        if self.vehicle.bsm is not None and BY_WATCH[Watch.BSM].applies(self.edition):
            self._watches[Watch.BSM] = self.vehicle.bsm.at_s
        self._reports.tell(EventKind.CHARGING, "BCS", {}, now_s)

    def _stop(self, now_s: float, cause: StopCause) -> None:
        self._barred = True
        self._stopped_early = self.phase not in _OUTPUT_ON and cause in BEFORE_CHARGING_2023
        self._sendings.cst = encode("CST", stop_bits(cause, self.edition))
        self._enter(Phase.STOPPING, now_s)

    def _check_time(self, now_s: float) -> None:
        for watch, since_s in self._watches.items():
            limit = BY_WATCH[watch]
            if now_s >= since_s + limit.limit(self.edition):
                self._time_out(limit, now_s)
                return

    def _time_out(self, limit: TimeLimit, now_s: float) -> None:
        detail = {
            "missing": limit.missing,
            "waited_for": limit.watch.value,
            "cem_field": limit.cem_field,
            "limit_s": limit.limit(self.edition),
            "phase": self.phase.value,
        }
        if self.phase is Phase.STOPPING and self._stopped_early:
            # A vehicle that was never charged need not know CST yet: its silence is no fault of its own.
            self._enter(Phase.ENDED, now_s)
            return
        self.missing = limit.missing
        self._reports.tell(EventKind.TIMEOUT, limit.missing, detail, now_s)
        if limit.watch is Watch.PAUSE:
            self._stop(now_s, StopCause.PAUSE_TOO_LONG)
            return
        self._barred = self._barred or not limit.reconnect
        if limit.cem_field is None:
            self._enter(Phase.ENDED, now_s)
            return
        added_2023 = {"bsm_timeout": NORMAL} if self.edition == "2023" else {}
        self._sendings.cem = encode("CEM", {**added_2023, limit.cem_field: FAULT})
        self._enter(Phase.TIMED_OUT, now_s)

    def _start_over(self) -> None:
        self.missing = None
        self._transport.reset()

    def _refuse(self, name: str, reason: str, payload: bytes, now_s: float) -> None:
        self.counters["refused"] += 1
        self._reports.tell_seldom(EventKind.REFUSED, name, {"reason": reason, "payload": payload.hex()}, now_s)

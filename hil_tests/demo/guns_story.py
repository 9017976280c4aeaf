"""The two-gun story: two vehicles at once, a fault of one gun, the other goes on, the emergency stop ends both."""

import contextlib
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hil_tests.bench.client import BenchClient, BenchError
from hil_tests.bench.runner import start_bench
from hil_tests.bench.site import write_two_guns_file
from hil_tests.demo.claims import GOES_ON_S, LENT_MARGIN_A, ONE_GROUP_A, TOGETHER_S
from hil_tests.demo.field_link import LinkLostError, connector_status
from hil_tests.demo.guns_scene import GunsScene
from hil_tests.demo.guns_summary import GunsOutcome
from hil_tests.demo.interrupts import Interrupts
from hil_tests.demo.observed import Observed
from hil_tests.demo.platform import Platform
from hil_tests.demo.run import OPERATOR_ID, PILE_ID, PileRun, StoryError
from hil_tests.demo.scene import Scene
from hil_tests.demo.screen import Screen

GUNS = (1, 2)
STEADY, FAILING = GUNS
INCOMER_LIMIT_W = 70_000
"""Own: less than both vehicles want together (about 50 and 60 kW), more than one group can give."""
LONG_SOC_PERCENT = 60
"""Where the shuttle begins here: it then charges for longer than the story takes."""
HOT_C, SAFE_C = 105, 65
"""Contacts above the limit of the over-temperature (95 degC, config/faults.toml)."""

LOOK_S = 0.2
READY_TIMEOUT_S = 30.0
CHARGING_TIMEOUT_S = 60.0
FAULT_TIMEOUT_S = 20.0
GROUP_TIMEOUT_S = 40.0
CLEAR_TIMEOUT_S = 40.0
STOP_TIMEOUT_S = 10.0
SETTLE_TIMEOUT_S = 45.0


class GunsStory(PileRun):
    """One run with two guns. ``switched`` puts allocation contactors between the groups of modules and the guns."""

    outcome: GunsOutcome
    scene: GunsScene

    def __init__(
        self, folder: Path, screen: Screen[GunsScene], interrupts: Interrupts, scene: GunsScene, *, switched: bool
    ) -> None:
        super().__init__(folder, screen, interrupts, scene, GunsOutcome(guns=GUNS, switched=switched))
        self._switched = switched
        # The vehicle that can use both groups charges first and alone where a group can be lent.
        self._vehicles = dict(zip(GUNS, ("bus", "demo-car") if switched else ("demo-car", "bus"), strict=True))
        self._looked_s = 0.0
        scene.guns = {gun: Scene(language=scene.language) for gun in GUNS}
        scene.vehicles = dict(self._vehicles)

    def tell(self) -> None:
        """Everything up to the end. Raises StoryError or InterruptedRunError; ``close`` must follow."""
        self._start_bench()
        self._start_agent()
        if self._switched:
            self._lend()
        else:
            self._start_both()
        self._together()
        self._own_fault()
        self._start_again()
        self._emergency_stop()
        self._settle()

    @property
    def _observed(self) -> Observed:
        return self.outcome.observed

    # The chapters.

    def _start_bench(self) -> None:
        self._doing("starting_guns")
        first, *more = self._vehicles.values()
        try:
            self._parts.bench = start_bench(
                self.folder, vehicle_profile=first, more_vehicles=more, switched=self._switched
            )
        except BenchError as error:
            last = [line for line in str(error).splitlines() if line.strip()][-1]
            raise StoryError(f"the bench did not start: {last}") from error
        for gun, vehicle in self._vehicles.items():
            if vehicle == "demo-car":
                self._physically(f"vehicle soc {LONG_SOC_PERCENT}", gun)
        self._check_interrupts()

    def _write_site_file(self, mqtt_port: int) -> None:
        power: dict[str, Any] = {"policy": "switched"} if self._switched else {"incomer_limit_w": INCOMER_LIMIT_W}
        write_two_guns_file(
            self.folder,
            mqtt_port=mqtt_port,
            switched=self._switched,
            pile={"id": PILE_ID, "operator_id": OPERATOR_ID},
            power=power,
        )

    def _start_both(self) -> None:
        self._doing("both_orders")
        for gun in GUNS:
            self._plug(gun)
        for gun in GUNS:
            self._order_start(gun)
        for gun in GUNS:
            self._wait_flow(gun)

    def _lend(self) -> None:
        self._doing("first_order")
        self._plug(STEADY)
        self._order_start(STEADY)
        self._wait_flow(STEADY)
        self._doing("lending")
        self._wait_seen(
            lambda: self._probe(STEADY).get("current_a", 0.0) > ONE_GROUP_A + 2 * LENT_MARGIN_A,
            GROUP_TIMEOUT_S,
            f"gun {STEADY} does not get the current of both groups",
        )
        self._plug(FAILING)
        self._mark("second_order")
        self._doing("second_order")
        self._order_start(FAILING)
        self._wait_flow(FAILING)

    def _together(self) -> None:
        self._doing("together")
        self._pass_time(2.0 * TOGETHER_S)

    def _own_fault(self) -> None:
        self._doing("own_fault")
        self._mark("fault")
        self._physically(f"heat connector {HOT_C}", FAILING)
        self._wait_seen(lambda: self._is_open(FAILING), FAULT_TIMEOUT_S, f"gun {FAILING} did not open its contactors")
        self._note_opening("fault", FAILING)
        self._pass_time(1.6 * GOES_ON_S)
        self._mark("cause_gone")

    def _start_again(self) -> None:
        self._doing("cause_gone")
        self._physically("cool connector", FAILING)
        gun = self.scene.guns[FAILING]
        self._wait(
            lambda: not self._probe(FAILING).get("lock_locked", True) and not gun.status.get("faults"),
            CLEAR_TIMEOUT_S,
            lambda: (
                f"gun {FAILING} is not ready {CLEAR_TIMEOUT_S:.0f} s after its contacts are cool ({self._why(gun)})"
            ),
        )
        self._physically("unplug", FAILING)
        self._wait(
            lambda: gun.state == "idle",
            READY_TIMEOUT_S,
            lambda: f"gun {FAILING} is not idle after the vehicle left ({self._why(gun)})",
        )
        self._plug(FAILING)
        self._order_start(FAILING)
        self._wait_flow(FAILING)
        self._doing("again")
        self._pass_time(TOGETHER_S)

    def _emergency_stop(self) -> None:
        self._doing("emergency_stop")
        self._mark("estop")
        # The button is wired to the boards of the first connector and acts on the whole pile.
        self._physically("press estop")
        self._wait_seen(
            lambda: all(self._is_open(gun) for gun in GUNS),
            STOP_TIMEOUT_S,
            "the emergency stop did not open the contactors of both guns",
        )
        for gun in GUNS:
            self._note_opening(f"estop {gun}", gun)
        self._wait(
            lambda: all(gun.status.get("session") is None for gun in self.scene.guns.values()),
            SETTLE_TIMEOUT_S,
            lambda: "a session is still open after the emergency stop",
        )

    def _settle(self) -> None:
        self._doing("after_stop")
        self._physically("release estop")
        for gun in GUNS:
            self._wait(
                lambda gun=gun: not self._probe(gun).get("lock_locked", True),  # type: ignore[misc]  # of this turn
                SETTLE_TIMEOUT_S,
                lambda gun=gun: f"gun {gun} stays locked",  # type: ignore[misc]  # of this turn
            )
            self._physically("unplug", gun)
        self._wait(self._latched_only, SETTLE_TIMEOUT_S, lambda: f"faults remain ({self._why_not()})")
        self._reset()
        self._wait(
            lambda: all(gun.state == "idle" for gun in self.scene.guns.values()) and self._unconfirmed() == 0,
            SETTLE_TIMEOUT_S,
            lambda: (
                f"after {SETTLE_TIMEOUT_S:.0f} s the states are "
                f"{', '.join(gun.state for gun in self.scene.guns.values())} and the broker has not confirmed "
                f"{self._unconfirmed()} records"
            ),
        )

    # Small steps.

    def _plug(self, gun: int) -> None:
        self._physically("plug", gun)
        scene = self.scene.guns[gun]
        self._wait(
            lambda: scene.state == "plugged" and bool(scene.status.get("may_start")),
            READY_TIMEOUT_S,
            lambda: f"gun {gun} permits no start {READY_TIMEOUT_S:.0f} s after plug-in ({self._why(scene)})",
        )

    def _wait_flow(self, gun: int) -> None:
        self._wait_seen(
            lambda: bool(self._observed.samples) and self._observed.samples[-1].flows(gun),
            CHARGING_TIMEOUT_S,
            f"no current flows at gun {gun} ({{why}})",
        )

    def _wait_seen(self, reached: Any, timeout_s: float, failure: str) -> None:
        self._wait(reached, timeout_s, lambda: failure.replace("{why}", self._why_not()))

    def _pass_time(self, seconds: float) -> None:
        end_s = time.monotonic() + seconds
        self._wait(lambda: time.monotonic() >= end_s, seconds + READY_TIMEOUT_S, lambda: "time does not pass")

    def _mark(self, name: str) -> None:
        self._look(at_once=True)
        self._observed.marks[name] = time.monotonic()

    def _note_opening(self, name: str, gun: int) -> None:
        opened_s = self._probe(gun).get("contactors_opened_at_s")
        if opened_s is not None:
            self._observed.opened_at_s[name] = float(opened_s)

    def _probe(self, gun: int) -> Mapping[str, Any]:
        return self.scene.observed.get(gun, {})

    def _is_open(self, gun: int) -> bool:
        """Both poles are open on the bench."""
        probe = self._probe(gun)
        return probe.get("contactor_k1") is False and probe.get("contactor_k2") is False

    def _latched_only(self) -> bool:
        return all(
            all(fault.get("latched") for fault in gun.status.get("faults", ())) and gun.status
            for gun in self.scene.guns.values()
        )

    def _reset(self) -> None:
        link = self._parts.link
        if link is None:
            raise StoryError("the field process does not answer the reset")
        for gun in GUNS:
            try:
                reply = link.command("reset", uuid.uuid4().hex, gun)
            except LinkLostError as error:
                raise StoryError(f"the reset of gun {gun} was not answered: {error}") from error
            if reply.result not in ("accepted", "done"):
                raise StoryError(f"the reset of gun {gun} was {reply.result}: {reply.reason}")

    def _why(self, gun: Scene) -> str:
        faults = [str(fault["id"]) for fault in gun.status.get("faults", ())]
        blockers = [str(item) for item in gun.status.get("start_blockers", ())]
        return ", ".join((f"state {gun.state or '-'}", *faults, *blockers))

    def _why_not(self) -> str:
        found = [f"gun {number}: {self._why(gun)}" for number, gun in self.scene.guns.items()]
        return "; ".join([super()._why_not(), *found])

    # What is seen.

    def _take_status(self, status: Mapping[str, Any]) -> None:
        self.scene.status = status
        self._observed.take_shares(self.scene.part("power"))
        for number, gun in self.scene.guns.items():
            gun.status = connector_status(status, number)
            energy_wh = gun.status.get("energy_wh")
            if energy_wh is not None:
                gun.energy_wh = int(energy_wh)

    def _take_platform(self, platform: Platform) -> None:
        self.outcome.reported = list(platform.sessions)
        for number, gun in self.scene.guns.items():
            if gun.status.get("session") is None:
                gun.energy_wh = int(platform.ended(number).get("energy_wh", gun.energy_wh))

    def _look(self, *, at_once: bool = False) -> None:
        now_s = time.monotonic()
        if self._parts.bench is None or (now_s - self._looked_s < LOOK_S and not at_once):
            return
        self._looked_s = now_s
        client = BenchClient(self.folder)
        with contextlib.suppress(BenchError):
            probes = {gun: client.probe(gun) for gun in GUNS}
            self.scene.observed = probes
            self._observed.take(probes)

    # The record.

    def _read_record(self) -> None:
        """All sessions as the pile's own record holds them, read by the command that a person would type."""
        listed = self._ask_record("sessions")
        found = []
        for row in reversed(listed if isinstance(listed, list) else []):
            name = str(row.get("session", ""))
            body = self._ask_record("session", name)
            if isinstance(body, Mapping) and body.get("result"):
                found.append({**body, "session": name, "connector": row.get("connector")})
        self.outcome.sessions = found
        self.outcome.session_id = str(found[-1]["session"]) if found else ""
        self.outcome.ended = found[-1] if found else None

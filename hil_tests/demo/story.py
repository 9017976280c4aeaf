"""The one-gun story: bench, agent, vehicle, order, charge, settlement, and everything closed again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hil_tests.bench.client import BenchError
from hil_tests.bench.runner import start_bench
from hil_tests.bench.site import write_site_file
from hil_tests.bench.vehicle.profile import load_profile
from hil_tests.demo.field_link import connector_status
from hil_tests.demo.interrupts import Interrupts
from hil_tests.demo.platform import Platform
from hil_tests.demo.run import OPERATOR_ID, PILE_ID, PileRun, StoryError
from hil_tests.demo.scene import Scene, Step
from hil_tests.demo.screen import Screen
from hil_tests.demo.summary import Outcome

VEHICLE_PROFILE = "demo-car"
PLUGGED_TIMEOUT_S = 20.0
CHARGE_TIMEOUT_S = 300.0
SETTLE_TIMEOUT_S = 30.0


class Story(PileRun):
    """One whole charge on a pile with one gun."""

    def __init__(self, folder: Path, screen: Screen[Scene], interrupts: Interrupts, scene: Scene) -> None:
        super().__init__(folder, screen, interrupts, scene, Outcome())

    def tell(self) -> None:
        """Everything up to the settled session. Raises StoryError or InterruptedRunError; ``close`` must follow."""
        self._start_bench()
        self._start_agent()
        self._plug()
        self._order()
        self._watch_charge()
        self._settle()

    # The chapters.

    def _start_bench(self) -> None:
        self._doing("starting_bench")
        pack = load_profile(VEHICLE_PROFILE).pack
        self.scene.soc_from_percent, self.scene.soc_to_percent = pack.soc_percent, pack.target_soc_percent
        try:
            self._parts.bench = start_bench(self.folder, vehicle_profile=VEHICLE_PROFILE)
        except BenchError as error:
            last = [line for line in str(error).splitlines() if line.strip()][-1]
            raise StoryError(f"the bench did not start: {last}") from error
        self._check_interrupts()

    def _write_site_file(self, mqtt_port: int) -> None:
        write_site_file(self.folder, mqtt_port=mqtt_port, pile={"id": PILE_ID, "operator_id": OPERATOR_ID})

    def _plug(self) -> None:
        self._doing("plugging")
        self._physically("plug")
        self._wait(
            lambda: self.scene.state == "plugged" and bool(self.scene.status.get("may_start")),
            PLUGGED_TIMEOUT_S,
            lambda: (
                f"no start is permitted {PLUGGED_TIMEOUT_S:.0f} s after the vehicle was plugged in ({self._why_not()})"
            ),
        )

    def _order(self) -> None:
        self._doing("ordering")
        self.outcome.session_id = self._order_start()

    def _watch_charge(self) -> None:
        self._doing("charging")
        self._wait(
            # Settled and yet locked, the plug would not come out: the lock takes its moment.
            lambda: self.scene.state in ("settled", "faulted") and self.scene.value("lock_locked") is False,
            CHARGE_TIMEOUT_S,
            lambda: f"the charge did not end within {CHARGE_TIMEOUT_S:.0f} s (state {self.scene.state})",
        )

    def _settle(self) -> None:
        self._doing("settling")
        self._physically("unplug")
        self._wait(
            lambda: self.scene.state == "idle" and self._unconfirmed() == 0,
            SETTLE_TIMEOUT_S,
            lambda: (
                f"after {SETTLE_TIMEOUT_S:.0f} s the state is {self.scene.state} and the broker has not confirmed "
                f"{self._unconfirmed()} records"
            ),
        )

    # What the scene shows.

    def _take_status(self, status: Mapping[str, Any]) -> None:
        self.scene.status = connector_status(status, 1)
        energy_wh = self.scene.status.get("energy_wh")
        if energy_wh is not None:
            self.scene.energy_wh = int(energy_wh)

    def _take_platform(self, platform: Platform) -> None:
        # The status covers the running session only; the end is in the platform's records.
        self.scene.energy_wh = int(platform.ended().get("energy_wh", self.scene.energy_wh))
        self.scene.steps = [
            Step(state, (wall_ms - self._started_wall_ms) / 1000) for state, wall_ms in platform.states()
        ]

    # The record.

    def _read_record(self) -> None:
        """The session as the pile's own record holds it, read by the command that a person would type."""
        if not self.outcome.session_id:
            self.outcome.session_id = self._latest_session_id()
        if self.outcome.session_id:
            body = self._ask_record("session", self.outcome.session_id)
            if isinstance(body, Mapping) and body.get("result"):
                self.outcome.ended = body

    def _latest_session_id(self) -> str:
        sessions = self._ask_record("sessions")
        if isinstance(sessions, list) and sessions:
            return str(sessions[0].get("session", ""))
        return ""

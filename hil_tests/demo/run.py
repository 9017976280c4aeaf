"""What every story shares: bench, agent and platform started, watched and ended, whatever comes in between."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hil_tests.bench.client import BenchClient, BenchError
from hil_tests.bench.runner import Bench
from hil_tests.demo.children import Child, end_descendants
from hil_tests.demo.field_link import FieldLink, LinkLostError
from hil_tests.demo.interrupts import Interrupts
from hil_tests.demo.platform import Platform, PlatformError
from hil_tests.demo.scene import Scene
from hil_tests.demo.screen import Screen
from hil_tests.demo.summary import Outcome, not_open

PILE_ID, OPERATOR_ID = "SX-DEMO-0001", "MA00DEMO1"

REFRESH_S = 0.1
READY_TIMEOUT_S = 30.0
REPLY_TIMEOUT_S = 10.0
AGENT_STOP_TIMEOUT_S = 45.0
"""An agent that stops a charge orderly needs up to 40 s; see TimeoutStopSec of its unit."""
HURRIED_STOP_TIMEOUT_S = 5.0
RECORD_TIMEOUT_S = 30.0
BOARD_DROPS_WITHIN_S = 3.0
"""The relay board drops timed outputs by itself 1 s after the last renewal, the contactors follow."""


class StoryError(Exception):
    """The run cannot go on; the text is one sentence with the cause."""


class InterruptedRunError(Exception):
    """Ctrl-C was pressed."""


@dataclass(slots=True)
class Parts:
    """What runs at the moment."""

    bench: Bench | None = None
    agent: Child | None = None
    platform: Platform | None = None
    link: FieldLink | None = None


class PileRun:
    """One run in ``folder``. ``outcome`` fills up while it runs; a story adds its chapters in ``tell``."""

    def __init__(
        self, folder: Path, screen: Screen[Any], interrupts: Interrupts, scene: Scene, outcome: Outcome
    ) -> None:
        self.folder = folder
        self.scene = scene
        self.outcome = outcome
        self.site_file = folder / "pile.toml"
        self._screen = screen
        self._screen_lost = False
        self._interrupts = interrupts
        self._parts = Parts()
        self._started_s = time.monotonic()
        self._started_wall_ms = time.time_ns() // 1_000_000

    def tell(self) -> None:
        """Everything up to the end. Raises StoryError or InterruptedRunError; ``close`` must follow."""
        raise NotImplementedError

    # What a story fills in.

    def _write_site_file(self, mqtt_port: int) -> None:
        """Write ``site_file``."""
        raise NotImplementedError

    def _take_status(self, status: Mapping[str, Any]) -> None:
        """Take a status snapshot of the field process into the scene."""
        raise NotImplementedError

    def _take_platform(self, platform: Platform) -> None:
        """Take what the platform has received into the scene."""
        raise NotImplementedError

    def _look(self) -> None:
        """Look at the bench as well, at each refresh."""

    def _read_record(self) -> None:
        """Read the pile's own record into the outcome, once everything has ended."""
        raise NotImplementedError

    # The parts.

    def _start_agent(self) -> None:
        self._doing("starting_agent")
        bench = self._bench
        self._write_site_file(bench.mqtt_port)
        try:
            platform = Platform("127.0.0.1", bench.mqtt_port, OPERATOR_ID, PILE_ID)
        except PlatformError as error:
            raise StoryError(f"the platform cannot reach the broker: {error}") from error
        self._parts.platform = platform
        self._parts.agent = Child("agent", [*agent_command(self.site_file), "run"], self.folder / "agent.log")
        self._wait(
            lambda: (
                bool(self.scene.part("recorder").get("ok")) and self.scene.part("recorder").get("uplink") == "connected"
            ),
            READY_TIMEOUT_S,
            lambda: f"the agent was not ready after {READY_TIMEOUT_S:.0f} s ({self._why_not()})",
        )

    def _order_start(self, connector: int = 1) -> str:
        """Have the platform order a start; returns the session's id. Raises StoryError if it is not accepted."""
        platform = self._platform
        command_id = platform.order_start(connector)
        self._wait(
            lambda: platform.reply(command_id) is not None,
            REPLY_TIMEOUT_S,
            lambda: f"the platform's start command was not answered within {REPLY_TIMEOUT_S:.0f} s",
        )
        reply = platform.reply(command_id) or {}
        if reply.get("result") not in ("accepted", "done"):
            raise StoryError(f"the start of connector {connector} was {reply.get('result')}: {reply.get('code')}")
        return str(reply.get("sid") or "")

    # The end, whatever came before.

    def close(self, doing: str = "closing") -> None:
        """Stop everything orderly and check that all is safe. Raises nothing."""
        self._doing(doing)
        parts = self._parts
        if parts.agent is not None:
            self.outcome.agent_exit_code = self._end_agent(parts.agent)
        if parts.link is not None:
            parts.link.close()
        if parts.platform is not None:
            parts.platform.pump()
            self.outcome.published = dict(parts.platform.counts)
            parts.platform.close()
        if parts.bench is not None:
            self._probe_until_open()
            parts.bench.stop()
        self.outcome.processes_left = end_descendants()
        with contextlib.suppress(BrokenPipeError):
            self._screen.close()
        self._read_record()

    def _end_agent(self, agent: Child) -> int | None:
        agent.ask_to_stop()
        deadline_s = time.monotonic() + AGENT_STOP_TIMEOUT_S
        while agent.exit_code is None and time.monotonic() < deadline_s:
            if self._interrupts.hurry:
                deadline_s = min(deadline_s, time.monotonic() + HURRIED_STOP_TIMEOUT_S)
            self._refresh()
            time.sleep(REFRESH_S)
        return agent.stop(0.0)

    def _probe_until_open(self) -> None:
        client = BenchClient(self.folder)
        deadline_s = time.monotonic() + BOARD_DROPS_WITHIN_S
        while True:
            with contextlib.suppress(BenchError):
                self.outcome.probes = {gun: client.probe(gun) for gun in self.outcome.guns}
            if not not_open(self.outcome) or time.monotonic() > deadline_s:
                return
            time.sleep(REFRESH_S)

    def _ask_record(self, *words: str) -> Any:
        if not self.site_file.exists():
            return None
        command = [*agent_command(self.site_file), *words, "--json"]
        try:
            answer = subprocess.run(command, capture_output=True, text=True, timeout=RECORD_TIMEOUT_S, check=False)
            return json.loads(answer.stdout)
        except (subprocess.TimeoutExpired, ValueError):
            return None

    # Small steps.

    @property
    def _bench(self) -> Bench:
        assert self._parts.bench is not None
        return self._parts.bench

    @property
    def _platform(self) -> Platform:
        assert self._parts.platform is not None
        return self._parts.platform

    def _doing(self, key: str) -> None:
        self.scene.doing = key
        self._refresh()

    def _physically(self, command: str, gun: int = 1) -> None:
        try:
            BenchClient(self.folder).do(command, gun)
        except BenchError as error:
            raise StoryError(f"the bench refused '{command}': {error}") from error

    def _unconfirmed(self) -> int:
        """Records that are not yet durable, not yet confirmed by the broker, or not yet here at the platform.

        The agent reports its own count once a second; the count of the platform closes the gap.
        """
        records, recorder = self.scene.part("records"), self.scene.part("recorder")
        last = int(records.get("last_number", 0))
        return max(
            last - int(records.get("acknowledged", 0)),
            int(recorder.get("uplink_pending", 0)),
            last - sum(self.scene.published.values()),
        )

    def _why_not(self) -> str:
        if not self.scene.status:
            return "the field process does not answer"
        blockers = [str(item) for item in self.scene.status.get("start_blockers", ())]
        recorder = self.scene.part("recorder")
        if not recorder.get("ok"):
            blockers.append(f"recorder: {recorder.get('reason') or 'absent'}")
        if recorder.get("uplink") != "connected":
            blockers.append(f"uplink {recorder.get('uplink', 'unknown')}")
        return ", ".join(blockers) or f"state {self.scene.state}"

    def _wait(self, reached: Callable[[], bool], timeout_s: float, failure: Callable[[], str]) -> None:
        deadline_s = time.monotonic() + timeout_s
        while True:
            self._refresh()
            self._check_interrupts()
            if reached():
                return
            self._check_parts()
            if time.monotonic() > deadline_s:
                raise StoryError(failure())
            time.sleep(REFRESH_S)

    def _check_interrupts(self) -> None:
        if self._interrupts.asked or self._screen_lost:
            raise InterruptedRunError

    def _check_parts(self) -> None:
        agent = self._parts.agent
        if agent is not None and agent.exit_code is not None:
            last = " / ".join(agent.last_lines(3))
            raise StoryError(f"the agent ended with exit code {agent.exit_code}: {last or 'no output'}")
        if self._parts.bench is not None and self._parts.bench.process.poll() is not None:
            raise StoryError("the bench ended by itself")

    def _refresh(self) -> None:
        """Bring the scene up to date and show it. Raises nothing."""
        scene = self.scene
        scene.elapsed_s = time.monotonic() - self._started_s
        if self._parts.platform is not None:
            self._parts.platform.pump()
            scene.published = dict(self._parts.platform.counts)
            self._take_platform(self._parts.platform)
        self._ask_status()
        self._look()
        if self._screen_lost:
            return
        try:
            self._screen.show(scene)
        except BrokenPipeError:
            self._screen_lost = True
            # Nothing more can be written; the interpreter must not try it again when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def _ask_status(self) -> None:
        parts = self._parts
        if parts.agent is None or parts.agent.exit_code is not None:
            return
        try:
            if parts.link is None:
                parts.link = FieldLink(self.folder / "run" / "field.sock")
            status = parts.link.status()
        except LinkLostError:
            if parts.link is not None:
                parts.link.close()
                parts.link = None
            return
        self._take_status(status)
        self.outcome.records = self.scene.part("records")
        if self.scene.part("recorder").get("ok"):
            self.outcome.uplink_pending = self._unconfirmed()


def agent_command(site_file: Path) -> list[str]:
    """The agent's command line, run by this interpreter."""
    return [sys.executable, "-m", "agent.cli.main", "--config", str(site_file)]

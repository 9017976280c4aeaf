"""The agent under test of the reaction benchmark, as a process: ``python -m hil_tests.performance.reaction_agent``.

``--as process`` is the product: field loop, selector, priority, locked memory and tamed collector as in
``pile-agent control``, with the north process beside it as its own process. ``--as asyncio`` is the reference:
the same loop code and the same north code in one asyncio loop of one ordinary process.
"""

import argparse
import asyncio
import json
import selectors
import signal
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from agent.control.dc.core import ControlCore, Outputs
from agent.field import realtime
from agent.field.assembly import build_hardware
from agent.field.base_loop import Pace
from agent.field.loop import FieldLoop
from agent.field.power_parameters import power_parameters
from agent.field.server import FieldServer
from agent.link.messages import Hello
from agent.north.process import NorthProcess
from agent.settings.load import load_site
from agent.settings.site import Site
from hil_tests.performance.asyncio_selector import AsyncioSelector
from hil_tests.performance.flags import Flags, Slot
from hil_tests.performance.rearm import ChargingCore, QuietLine, Rearming
from hil_tests.performance.virtual_pile import VirtualPile

READINGS_INTERVAL_S = 0.1
"""Ten snapshots of the image a second go to the record, more than a pile sends: the north side is at work."""
EDGE = "emergency_stop"
"""Fault of the measured input."""
_SETTLE_S = 1.5
_MOST_WAITING = 300
"""More records than this not yet durable: wait for the recorder before the next edge."""


class WatchedCore(ControlCore):
    """Notes when a step has decided to open; nothing else is added."""

    flags: ClassVar[Flags]
    was_closed = False

    def evaluate(self, now_s: float, wall_ms: int, wall_quality: str) -> Outputs:
        """See ControlCore."""
        outputs = super().evaluate(now_s, wall_ms, wall_quality)
        closed = outputs.relays["contactor_k1"]
        if self.was_closed and not closed:
            self.flags.put(Slot.DECIDED_NS, time.monotonic_ns())
        self.was_closed = closed
        return outputs


class Subject:
    """Loop, core and rearming of one agent."""

    def __init__(self, site: Site, board_file: Path, selector: selectors.BaseSelector, *, filtered: bool) -> None:
        settings = site.settings
        boot_id = uuid.uuid4().hex
        pile = VirtualPile(site, boot_id=boot_id, core_class=WatchedCore, unfiltered=() if filtered else (EDGE,))
        pile.plug_and_start()
        pile.run_until("charging")
        pile.run_for(3.0)
        pile.restore_backlog()
        _write_board_file(board_file, pile)
        runtime = Path(settings.paths.runtime)
        runtime.mkdir(parents=True, exist_ok=True)
        hello = Hello(boot_id, settings.pile.id, "bench", time.time_ns() // 1_000_000)
        self._server = FieldServer(runtime / "field.sock", selector, hello)
        self._core = pile.core
        self._charging = ChargingCore(pile)
        self._hardware = build_hardware(site)
        self.loop = FieldLoop(
            {1: pile.core},
            self._hardware,
            power_parameters(site),
            self._server,
            selector,
            pace=Pace(settings.control.cycle_ms / 1000.0, READINGS_INTERVAL_S, READINGS_INTERVAL_S),
        )
        self._begun_s = time.monotonic()
        self._line = next(line for line in self._hardware.modbus_lines if line.name == "io")
        self.rearming = Rearming(self._charging, self._quiet_line)
        self._restored = 0
        self._charging.restore(self._begun_s)
        self.loop.open_lines()

    def _quiet_line(self, now_s: float) -> QuietLine | None:
        settled = now_s - self._begun_s > _SETTLE_S and self._line.is_open and self._line.master.idle
        durable = self._server.recorder is not None and self._waiting() == 0
        if not (settled and durable):
            return None
        return QuietLine(self.loop, self._hardware, self._line, now_s)

    def _waiting(self) -> int:
        backlog = self._core.backlog
        return backlog.last_number - backlog.acknowledged

    def between_turns(self) -> None:
        """Restore after a measured edge; hold the state otherwise."""
        now_s = time.monotonic()
        if not self.rearming.ready:
            if self.rearming.keep_charging(now_s):
                WatchedCore.flags.put(Slot.READY, 1)
            return
        measured = WatchedCore.flags.get(Slot.MEASURED)
        if measured != self._restored:
            if self._waiting() < _MOST_WAITING:
                self._restored = measured
                self.rearming.restore(now_s)
                WatchedCore.flags.put(Slot.RESTORED, measured)
        elif self._core.state == "charging":
            self.rearming.refresh(now_s)


def _write_board_file(path: Path, pile: VirtualPile) -> None:
    """What the boards show while charging, for the process that plays them."""
    plant = pile.plant
    analog = [0] * 8
    for name, value in plant.analog_inputs.items():
        channel = plant.wiring.analog[name]
        analog[channel.channel] = channel.raw_mv(value)
    content = {
        "analog": analog,
        "inputs": plant.wiring.input_levels(plant.discrete_inputs),
        "stop_channel": plant.wiring.inputs["emergency_stop_pressed"][0],
        "contactor_channel": plant.wiring.outputs["contactor_k1"],
    }
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(content), encoding="utf-8")
    temporary.replace(path)


def _run_process(site: Site, board_file: Path, stopping: Callable[[], bool], *, filtered: bool) -> None:
    """As ``pile-agent control`` runs."""
    selector = selectors.SelectSelector()
    subject = Subject(site, board_file, selector, filtered=filtered)
    subject.loop.scheduler = realtime.set_priority(site.settings.control.real_time_priority)
    realtime.lock_memory()
    realtime.tame_collector()
    sys.stderr.write(f"scheduler {subject.loop.scheduler}\n")
    while not stopping():
        subject.loop.turn()
        subject.between_turns()
    subject.loop.close()


async def _run_asyncio(site: Site, board_file: Path, *, filtered: bool) -> None:
    """Field and north side in one asyncio loop."""
    field_selector, north_selector = AsyncioSelector(), AsyncioSelector()
    subject = Subject(site, board_file, field_selector, filtered=filtered)
    default: Any = selectors.DefaultSelector
    selectors.DefaultSelector = lambda: north_selector  # type: ignore[assignment,misc,return-value]  # the north side makes its own
    try:
        north = NorthProcess(site.settings, version="bench")
    finally:
        selectors.DefaultSelector = default  # type: ignore[misc]  # back to what it was

    def field_turn() -> None:
        subject.loop.turn()
        subject.between_turns()

    def north_turn() -> None:
        north._wait()
        north._turn()

    field_selector.drive(field_turn)
    north_selector.drive(north_turn)
    sys.stderr.write("scheduler normal\n")
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()
    subject.loop.close()


def main() -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--as", dest="kind", choices=("process", "asyncio"), required=True)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--flags", type=Path, required=True)
    parser.add_argument("--board", type=Path, required=True)
    parser.add_argument("--filtered", action="store_true", help="keep the debounce time of the catalogue")
    arguments = parser.parse_args()
    WatchedCore.flags = Flags(arguments.flags)
    site = load_site(arguments.config)
    wanted: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: wanted.append(number))
    if arguments.kind == "process":
        _run_process(site, arguments.board, lambda: bool(wanted), filtered=arguments.filtered)
    else:
        asyncio.run(_run_asyncio(site, arguments.board, filtered=arguments.filtered))


if __name__ == "__main__":
    main()

"""Figure "bms": a saturated vehicle bus on two connectors at once, in virtual time and at the real field process."""

import concurrent.futures
import contextlib
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.control.dc.core import ControlCore
from drivers.can.frame import CanFrame
from hil_tests.bench.site import VEHICLE_WIRE
from hil_tests.harness.pile import Pile
from hil_tests.harness.waiting import wait_until
from hil_tests.performance.bus_load import FRAMES_PER_S, PERIODS_MS, intervals_ms, other_frames, regularity
from hil_tests.performance.proc import cpu_seconds, policy_of
from hil_tests.performance.report import Figure, not_measured
from hil_tests.performance.samples import summarise
from hil_tests.performance.spawn import spawn
from hil_tests.performance.virtual_pile import VirtualPile, reference_site

GROUP = "bms"
CONNECTORS = 2
SHARE_PERCENT = 20.0
MEDIAN_PERCENT = 2.0
P99_MS = 10.0
CLEARANCE_MS = 5.0

_VEHICLE = "bus"
"""Profile with 126 cells: BMV of 252 bytes beside BCS."""
_HELD_S = 3.5
"""The vehicle keeps BRM, and then BRO, back for so long (their time-outs are 5 s): more periods of CRM and CML."""
_CYCLE_FRAMES = FRAMES_PER_S // 100


class TimedCore(ControlCore):
    """The core of the product; what a frame costs it is added up."""

    spent_ns = 0
    frames = 0

    def on_frame(self, frame: CanFrame, now_s: float) -> None:
        """Take a frame in."""
        begin_ns = time.perf_counter_ns()
        super().on_frame(frame, now_s)
        TimedCore.spent_ns += time.perf_counter_ns() - begin_ns
        TimedCore.frames += 1

    def replies(self, now_s: float) -> list[CanFrame]:
        """What is due for the vehicle."""
        begin_ns = time.perf_counter_ns()
        frames = super().replies(now_s)
        TimedCore.spent_ns += time.perf_counter_ns() - begin_ns
        return frames


def _virtual(folder: Path, seconds: float) -> list[Figure]:
    """The dialogue while charging, with every free slot of the bus filled."""
    pile = VirtualPile(reference_site(folder), vehicle_profile=_VEHICLE, core_class=TimedCore)
    others = other_frames()
    pile.plug_and_start()
    pile.run_until("charging")
    pile.run_for(1.0)
    core = pile.core
    before = core.point.charger.status()
    TimedCore.spent_ns = TimedCore.frames = 0
    end_s = pile.now_s + seconds
    while pile.now_s < end_s:
        begun = TimedCore.frames
        pile.turn()
        while TimedCore.frames - begun < _CYCLE_FRAMES:
            pile.hear(next(others))
    after = core.point.charger.status()
    received = after["transport"]["received"] - before["transport"]["received"]
    failed = sum(after["transport"][key] - before["transport"][key] for key in ("receive_failed", "retransmissions"))
    taken = after["frames_in"] - before["frames_in"]
    lost = TimedCore.frames - taken
    per_frame_us = TimedCore.spent_ns / TimedCore.frames / 1000.0
    still = core.state == "charging"
    return [
        Figure(
            GROUP,
            "decode and dispatch of two saturated buses, virtual time",
            round(CONNECTORS * FRAMES_PER_S * per_frame_us / 1e4, 2),
            "percent of a core",
            limit=SHARE_PERCENT,
            samples=TimedCore.frames,
            detail={"frame_us": round(per_frame_us, 2), "transfers": received, "charging_at_the_end": still},
        ),
        Figure(
            GROUP,
            "frames and transfers lost, virtual time",
            lost + failed + (not still),
            "",
            limit=0.0,
            samples=taken,
        ),
    ]


@dataclass(frozen=True, slots=True)
class Connector:
    """What one field process and its bus showed."""

    share_percent: float
    share_without_load_percent: float
    policy: str
    counted: int
    counters: Mapping[str, Any]
    bus: Mapping[str, Any]


def _site(link: Path) -> dict[str, Any]:
    """The vehicle's wire of the site is the feeder's; everything else stays where the bench has it."""
    return {"bus": {"can": {"vehicle": {"channel": str(link)}}}}


class Run:
    """Two piles on two benches with one feeder between."""

    def __init__(self, stack: contextlib.ExitStack, *, quick: bool) -> None:
        self._seconds = 8.0 if quick else 60.0
        self._stop_s = 3.0 if quick else 8.0
        self._folder = Path(tempfile.mkdtemp(prefix="pile-"))
        stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
        self._out = self._folder / "feeder.json"
        links = [self._folder / f"can{number}" for number in range(CONNECTORS)]
        # One after the other and not in threads: a child ends with the thread that started it.
        self._piles = [stack.enter_context(_pile(link)) for link in links]
        command = [sys.executable, "-m", "hil_tests.performance.bus_feeder", "--out", str(self._out)]
        for link, pile in zip(links, self._piles, strict=True):
            command += ["--bus", str(link), str(pile.folder / "dev" / VEHICLE_WIRE)]
        log = stack.enter_context((self._folder / "feeder.log").open("wb"))
        self._feeder = spawn(command, errors=log)
        stack.callback(_kill, self._feeder)

    def measure(self) -> tuple[list[Connector], dict[str, Any]]:
        """A whole charge on both piles under load, from the handshake to the statistics."""
        with concurrent.futures.ThreadPoolExecutor(CONNECTORS) as pool:
            for pile in self._piles:
                pile.wait("the bus is open", lambda status: bool(status["buses"]["vehicle"]["opened"]))
            time.sleep(1.0)
            self._feeder.send_signal(signal.SIGUSR1)
            list(pool.map(_to_charging, self._piles))
            time.sleep(1.0)
            shares = self._shares(self._seconds)
            list(pool.map(self._end, self._piles))
        policies = [policy_of(pile.pid("field")) for pile in self._piles]
        self._feeder.send_signal(signal.SIGUSR2)
        wait_until(self._out.exists, "the feeder's result", 10.0)
        time.sleep(0.5)
        result = json.loads(self._out.read_text(encoding="utf-8"))
        idle = self._shares(3.0)
        connectors = []
        for number, pile in enumerate(self._piles):
            status = pile.status()
            connectors.append(
                Connector(
                    shares[number],
                    idle[number],
                    policies[number],
                    status["buses"]["vehicle"]["frames_in"],
                    status["vehicle_protocol"],
                    result["buses"][number],
                )
            )
        return connectors, result

    def _shares(self, seconds: float) -> list[float]:
        """Share of one core of each field process, percent."""
        pids = [pile.pid("field") for pile in self._piles]
        begin_s, used_s = time.monotonic(), [cpu_seconds(pid) for pid in pids]
        time.sleep(seconds)
        took_s = time.monotonic() - begin_s
        return [100.0 * (cpu_seconds(pid) - used) / took_s for pid, used in zip(pids, used_s, strict=True)]

    def _end(self, pile: Pile) -> None:
        """Stop; BSD is kept back for a while, so that CST is repeated."""
        pile.bench.do("vehicle silence BSD")
        pile.stop()
        time.sleep(self._stop_s)
        pile.bench.do("vehicle speak BSD")
        pile.wait_no_session()


def _pile(link: Path) -> Pile:
    return Pile(vehicle_profile=_VEHICLE, **_site(link))


def _to_charging(pile: Pile) -> None:
    pile.bench.do("vehicle silence BRM")
    pile.bench.do("vehicle ready no")
    pile.bench.do("plug")
    pile.start()
    pile.wait("recognition", lambda status: status["vehicle_protocol"]["phase"] == "recognition")
    time.sleep(_HELD_S)
    pile.bench.do("vehicle speak BRM")
    pile.wait("parameters", lambda status: status["vehicle_protocol"]["phase"] == "parameters")
    time.sleep(_HELD_S)
    pile.bench.do("vehicle ready yes")
    pile.wait("charging", lambda status: status["vehicle_protocol"]["phase"] == "charging")


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _judge(connectors: list[Connector], result: Mapping[str, Any]) -> list[Figure]:
    loads = [each.share_percent - each.share_without_load_percent for each in connectors]
    detail: dict[str, Any] = {
        f"process_{number}_percent": round(each.share_percent, 1) for number, each in enumerate(connectors, 1)
    }
    sent = sum(each.bus["sent"] for each in connectors)
    rate = [round(each.bus["sent"] / result["filled_s"]) for each in connectors]
    detail |= {
        "frames_per_s": " and ".join(str(each) for each in rate),
        "policy": connectors[0].policy,
        "feeder_policy": result["policy"],
        "skipped_slots": result["skipped_slots"],
    }
    figures = [
        Figure(
            GROUP,
            "two field processes at saturated buses, charging: share beyond that of an idle pile",
            round(sum(loads), 1),
            "percent of a core",
            limit=SHARE_PERCENT,
            samples=sent,
            detail=detail,
        ),
        _lost(connectors, sent),
    ]
    for name, period_ms in PERIODS_MS.items():
        figures += _period(name, period_ms, connectors)
    times = summarise([value for each in connectors for value in each.bus["clearances_ms"]])
    figures.append(
        Figure(
            GROUP,
            "RTS to CTS at the field process under load, p99",
            round(times.p99, 2),
            "ms",
            limit=CLEARANCE_MS,
            samples=times.count,
            detail={"p50_ms": round(times.p50, 2), "max_ms": round(times.maximum, 2)},
        )
    )
    return figures


def _lost(connectors: list[Connector], sent: int) -> Figure:
    """Frames that the field process did not see, and transfers that did not arrive as they were sent."""
    unseen = [each.bus["sent"] - each.bus["lost_by_terminal"] - each.counted for each in connectors]
    broken = sum(
        each.counters["refused"] + sum(each.counters["transport"][key] for key in ("receive_failed", "retransmissions"))
        for each in connectors
    )
    detail = {
        "unseen": " and ".join(str(each) for each in unseen),
        "lost_by_terminal": sum(each.bus["lost_by_terminal"] for each in connectors),
        "broken_transfers": broken,
        "transfers": sum(each.counters["transport"]["received"] for each in connectors),
        "foreign": sum(each.counters["transport"]["foreign"] for each in connectors),
    }
    value = sum(abs(each) for each in unseen) + broken + detail["lost_by_terminal"]
    return Figure(GROUP, "frames lost at the field processes", value, "", limit=0.0, samples=sent, detail=detail)


def _period(name: str, period_ms: float, connectors: list[Connector]) -> list[Figure]:
    runs = [run for each in connectors for key, run in each.bus["arrivals_s"].items() if key.split()[0] == name]
    found = [value for run in runs for value in intervals_ms(run)]
    if not found:
        return [not_measured(GROUP, f"period of {name} under load", "ms", f"no {name} was seen twice")]
    kept = regularity(found, period_ms)
    return [
        Figure(
            GROUP,
            f"period of {name} ({period_ms:g} ms) under load, median off by",
            round(kept.median_off_percent, 3),
            "percent",
            limit=MEDIAN_PERCENT,
            samples=kept.count,
            detail={"median_ms": round(kept.median_ms, 3)},
        ),
        Figure(
            GROUP,
            f"period of {name} ({period_ms:g} ms) under load, 99 % off by at most",
            round(kept.p99_off_ms, 2),
            "ms",
            limit=P99_MS,
            samples=kept.count,
            detail={"max_ms": round(kept.longest_off_ms, 2)},
        ),
    ]


def measure(*, quick: bool) -> list[Figure]:
    """Share of a core, lost frames, periods and CTS."""
    with tempfile.TemporaryDirectory(prefix="pile-") as name:
        figures = _virtual(Path(name), 5.0 if quick else 60.0)
    try:
        with contextlib.ExitStack() as stack:
            figures += _judge(*Run(stack, quick=quick).measure())
    except Exception as error:
        figures.append(
            not_measured(GROUP, "field processes at saturated buses", "", f"{type(error).__name__}: {error}"[:600])
        )
    return figures

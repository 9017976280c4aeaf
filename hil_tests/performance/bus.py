"""Figure "bus": how much of a serial line is used, what a dead meter costs, and whether a wrong value ever passes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hil_tests.performance.bus_dead import dead_meter
from hil_tests.performance.bus_faults import FAULTS, FaultRun
from hil_tests.performance.bus_wire import limit_cycle_s
from hil_tests.performance.report import Figure, not_measured
from hil_tests.performance.spawn import PROJECT

GROUP = "bus"
REGISTERS = 20
LATENCY_S = 0.01
BAUDS = (9600, 19200, 115200)
METERS = (1, 8)
SHARE_LIMIT = {9600: 97.0, 19200: 97.0, 115200: 90.0}
"""Percent of what wire, meter and frame gap permit."""
THINGSBOARD = "PILE_BENCH_THINGSBOARD"
"""Names the interpreter of an environment with thingsboard-gateway and pymodbus 3.9.2; without it that is left out."""
_MILLION = 1_000_000
_QUICK_REPLIES = 100_000
_SEED = 20260401


@contextmanager
def _child(command: list[str], *, output: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command, cwd=PROJECT, stdout=output, stderr=subprocess.DEVNULL, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _master(kind: str, port: str, baud: int, meters: int) -> list[str]:
    work = [port, str(baud), str(meters), str(REGISTERS)]
    if kind == "thingsboard":
        return [os.environ[THINGSBOARD], str(Path(__file__).with_name("bus_thingsboard.py")), *work]
    return [sys.executable, "-m", "hil_tests.performance.bus_masters", kind, *work]


def poll(kind: str, baud: int, meters: int, seconds: float) -> dict[str, Any]:
    """Let a master read as fast as it can; what the wire saw. Raises RuntimeError if it read nothing."""
    wire = [
        *(sys.executable, "-m", "hil_tests.performance.bus_wire", "--baud", str(baud), "--meters", str(meters)),
        *("--latency-ms", str(LATENCY_S * 1000), "--seconds", str(seconds)),
    ]
    with _child(wire, output=subprocess.PIPE) as line:
        assert line.stdout is not None
        port = line.stdout.readline().strip()
        with _child(_master(kind, port, baud, meters)):
            text = line.stdout.readline()
    outcome: dict[str, Any] = json.loads(text or "{}")
    if not outcome.get("cycle_s"):
        raise RuntimeError(f"{kind} read nothing at {baud} baud")
    return outcome


def _line_share(kind: str, baud: int, meters: int, seconds: float) -> tuple[float, dict[str, Any]]:
    outcome = poll(kind, baud, meters, seconds)
    # The second block has one register less.
    limit_s = (limit_cycle_s(baud, REGISTERS, LATENCY_S) + limit_cycle_s(baud, REGISTERS - 1, LATENCY_S)) / 2
    return 100.0 * limit_s / outcome["cycle_s"], outcome


def _share_figure(baud: int, meters: int, seconds: float) -> list[Figure]:
    share, outcome = _line_share("ours", baud, meters, seconds)
    detail: dict[str, Any] = {
        "polls_per_s": round(1 / outcome["cycle_s"], 2),
        "gap_p50_ms": outcome["gap_ms"].get("p50"),
        "gap_p99_ms": outcome["gap_ms"].get("p99"),
        "gap_broken": outcome["gap_broken"],
    }
    for kind in ("pymodbus", *(["thingsboard"] if os.environ.get(THINGSBOARD) else [])):
        rival_share, rival = _line_share(kind, baud, meters, seconds)
        detail[f"{kind}_percent"] = round(rival_share, 1)
        detail[f"{kind}_gap_broken_percent"] = round(100.0 * rival["gap_broken"] / rival["polls"], 1)
    return [
        Figure(
            GROUP,
            f"line use, {baud} baud, {meters} meter{'s' if meters > 1 else ''}",
            round(share, 1),
            "%",
            SHARE_LIMIT[baud],
            at_least=True,
            samples=outcome["polls"],
            detail=detail,
        )
    ]


def _fault_figure(replies: int) -> Figure:
    outcome = FaultRun(_SEED).run(replies)
    return Figure(
        GROUP,
        "wrong values accepted, replies with faults (virtual time)",
        float(outcome.wrong),
        "",
        0.0,
        samples=outcome.replies,
        detail={
            "fault_kinds": len(FAULTS),
            "faulty_replies": outcome.faults.total(),
            "accepted": outcome.accepted,
            "faults": dict(sorted(outcome.faults.items())),
            "wrong_after": dict(outcome.wrong_after),
            "rejected": dict(outcome.rejected),
        },
    )


def measure(*, quick: bool) -> list[Figure]:
    """Use of the line beside its rivals, one dead meter among eight, and replies with faults."""
    figures: list[Figure] = []
    for baud in BAUDS:
        for meters in METERS:
            try:
                figures += _share_figure(baud, meters, 2.5 if quick else 20.0)
            except (RuntimeError, OSError, ValueError) as error:
                name = f"line use, {baud} baud, {meters} meters"
                figures.append(not_measured(GROUP, name, "%", str(error)))
    figures += dead_meter(GROUP)
    figures.append(_fault_figure(_QUICK_REPLIES if quick else _MILLION))
    return figures

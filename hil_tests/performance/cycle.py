"""Figure "cycle": what one evaluation and one Modbus poll cost, without any wire, in virtual time."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from agent.field.assembly import build_hardware
from drivers.inputs_outputs.modbus_board import ModbusBoard
from drivers.line.owner import LineOwner
from drivers.modbus import codec
from hil_tests.performance.report import Figure
from hil_tests.performance.samples import Summary, summarise
from hil_tests.performance.virtual_pile import VirtualPile, reference_site

GROUP = "cycle"
_CYCLE_US = 10_000.0
_WARM_UP = 200


def _step_costs(pile: VirtualPile, count: int) -> Summary:
    costs: list[float] = []
    for turn in range(count + _WARM_UP):
        pile.feed()
        begin_ns = time.perf_counter_ns()
        outputs = pile.core.evaluate(pile.now_s, pile.wall_ms, "synced")
        cost_ns = time.perf_counter_ns() - begin_ns
        pile.obey(outputs)
        if turn >= _WARM_UP:
            costs.append(cost_ns / 1000.0)
    return summarise(costs)


def _poll_round(master: LineOwner, board: ModbusBoard, reply: bytes) -> Callable[[float], int]:
    def run(now_s: float) -> int:
        """Ask for the inputs, take the reply 1.5 ms later, hand the readings out. Returns how many."""
        for request in board.requests(now_s):
            master.submit(request, now_s)
        if not master.poll(now_s):
            return 0
        master.receive(reply, now_s + 0.0015)
        return sum(len(board.accept(result)) for result in master.results())

    return run


def _poll_costs(folder: Path, count: int) -> Summary:
    (board,) = build_hardware(reference_site(folder)).connectors[0].outputs.boards
    master = LineOwner(115200)
    master.attach(1, board.timing)
    body = bytes((1, codec.READ_DISCRETE_INPUTS, 1, 0b0000_0111))
    run = _poll_round(master, board, body + codec.checksum(body))
    costs: list[float] = []
    now_s = 1000.0
    while len(costs) < count:
        now_s += 0.02
        begin_ns = time.perf_counter_ns()
        readings = run(now_s)
        cost_ns = time.perf_counter_ns() - begin_ns
        if readings:
            costs.append(cost_ns / 1000.0)
        elif master.next_due(now_s) is not None:
            # A write of the start or a read-back is on the line; its echo is not what is measured.
            _settle(master, board, now_s)
    return summarise(costs)


def _settle(master: LineOwner, board: ModbusBoard, now_s: float) -> None:
    """Let what is in flight run into its time-out, then bring it to the board."""
    master.poll(now_s + 5.0)
    for result in master.results():
        board.accept(result)


def measure(*, quick: bool) -> list[Figure]:
    """Microseconds of ``ControlCore.step`` idle and charging, and of one poll of the inputs, and their share."""
    count = 500 if quick else 5000
    with tempfile.TemporaryDirectory(prefix="pile-") as name:
        folder = Path(name)
        idle = VirtualPile(reference_site(folder))
        idle.run_for(1.0)
        charging = VirtualPile(reference_site(folder))
        charging.plug_and_start()
        charging.run_until("charging")
        charging.run_for(2.0)
        summaries = {
            "step of the core, idle": _step_costs(idle, count),
            "step of the core, charging": _step_costs(charging, count),
            "one poll of the inputs (master and board)": _poll_costs(folder, count),
        }
    return [
        Figure(
            GROUP,
            name,
            round(summary.p50, 1),
            "us",
            samples=summary.count,
            detail={
                "share_of_10ms_cycle_percent": round(100.0 * summary.p50 / _CYCLE_US, 2),
                "p99_us": round(summary.p99, 1),
                "max_us": round(summary.maximum, 1),
            },
        )
        for name, summary in summaries.items()
    ]

"""The figures of the bus group in their short form: faults and a dead meter in virtual time, the wire's arithmetic."""

import pytest

from hil_tests.performance.bus_dead import dead_meter
from hil_tests.performance.bus_faults import FAULTS, FaultRun
from hil_tests.performance.bus_wire import Tally, frame_gap_s, limit_cycle_s
from hil_tests.performance.report import MET


@pytest.mark.parametrize("seed", [1, 2])
def test_no_wrong_value_passes(seed: int) -> None:
    outcome = FaultRun(seed).run(8000)
    assert outcome.wrong == 0
    assert set(outcome.faults) == set(FAULTS)
    assert min(outcome.faults.values()) > 50
    # It does not refuse everything either: sound replies are most of all, some are lost to probes and silence.
    assert outcome.accepted > 0.5 * outcome.replies
    assert {"timeout", "crc", "mismatched", "exception"} <= set(outcome.rejected)


def test_the_run_can_find_a_wrong_value(monkeypatch: pytest.MonkeyPatch) -> None:
    from drivers.line.owner import LineOwner

    # Without memory of what was left unanswered, late replies pass for new ones.
    monkeypatch.setattr(LineOwner, "_mark_suspect", lambda self, flight: None)
    assert FaultRun(1).run(8000).wrong > 0


def test_one_dead_meter_costs_its_neighbours_one_time_out() -> None:
    figures = dead_meter("bus")
    assert [figure.verdict for figure in figures] == [MET] * 3


def test_limits_of_a_line() -> None:
    assert frame_gap_s(9600) == pytest.approx(0.003646, abs=1e-6)
    assert frame_gap_s(19200) == pytest.approx(0.001823, abs=1e-6)
    assert frame_gap_s(115200) == 0.00175
    # 8 + 45 characters of 10 bits, 10 ms for the meter, the gap.
    assert limit_cycle_s(9600, 20, 0.01) == pytest.approx(0.05521 + 0.01 + 0.003646, abs=1e-4)


def test_the_cycle_is_taken_from_reply_to_reply() -> None:
    tally = Tally()
    assert tally.as_dict(1.0)["cycle_s"] is None
    for at_s in (1.0, 1.5, 2.0):
        tally.reply(at_s)
    tally.gaps_s = [0.002, 0.004]
    content = tally.as_dict(1.0)
    assert (content["cycle_s"], content["polls"], content["gap_ms"]["max"]) == (0.5, 3, 4.0)

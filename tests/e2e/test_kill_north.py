"""SIGKILL of the north process in every phase: the charge goes on, and nothing that was to be kept is lost."""

import pytest

from hil_tests.harness.books import check_books
from hil_tests.harness.phases import PHASES, reach, release, wait_charging
from hil_tests.harness.pile import Pile
from hil_tests.harness.selection import full_only

pytestmark = pytest.mark.bench

IN_SHORT_FORM = ("locked", "charging")


@pytest.mark.parametrize("phase", full_only(PHASES, IN_SHORT_FORM))
def test_north_process_killed(pile: Pile, phase: str) -> None:
    session = reach(pile, phase)
    pile.kill("north")
    release(pile)
    if phase in ("idle", "plugged"):
        pile.wait_fault("recorder_absent")
    if phase == "plugged":
        reply = pile.command("start")
        assert (reply.result, "recorder_absent" in reply.reason) == ("rejected", True)
        assert pile.bench.probe()["contactors_closed_at_s"] is None
    if phase == "locked":
        assert pile.bench.probe()["contactors_closed_at_s"] is None
    pile.start_process("north")
    if phase == "idle":
        pile.wait_no_fault("recorder_absent")
        pile.bench.do("plug")
    if session is None:
        session = pile.start()
    if phase not in ("stopping", "settled"):
        wait_charging(pile)
        pile.stop()
    pile.wait_state("settled")
    ended = pile.wait_closed(session)["ended"]
    assert (ended["result"], ended["stop_reason"], ended["closed_by"]) == ("settled", "local", "control")
    assert ended["energy_wh"] > 0
    check_books(pile, sessions=2 if phase == "plugged" else 1)


@pytest.mark.parametrize("phase", full_only(("locked",), ()))
def test_no_contactor_closes_when_the_start_never_becomes_durable(pile: Pile, phase: str) -> None:
    session = reach(pile, phase)
    assert session is not None
    pile.kill("north")
    pile.wait_no_session()
    assert pile.bench.probe()["contactors_closed_at_s"] is None
    pile.start_process("north")
    ended = pile.wait_closed(session)["ended"]
    assert (ended["result"], ended["stop_reason"], ended["energy_wh"]) == ("failed", "record_not_durable", 0)
    check_books(pile, sessions=1)

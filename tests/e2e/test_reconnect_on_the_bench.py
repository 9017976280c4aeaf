"""A vehicle that loses the thread on the real bench: the charge comes back in the same session."""

import pytest

from hil_tests.harness.books import check_books
from hil_tests.harness.phases import reach, wait_charging
from hil_tests.harness.pile import Pile

pytestmark = pytest.mark.bench


def test_a_charge_goes_on_after_a_new_handshake(pile: Pile) -> None:
    session = reach(pile, "charging")
    assert session is not None
    pile.bench.do("vehicle silence BCS")
    pile.wait_state("reconnecting")
    pile.bench.do("vehicle normal")
    pile.wait_contactors_open()
    wait_charging(pile)
    assert pile.bench.probe()["vehicle"]["attempts"] == 2
    pile.stop()
    ended = pile.wait_closed(session)["ended"]
    assert (ended["result"], ended["stop_reason"], ended["reconnects"]) == ("settled", "local", 1)
    assert ended["faults"] == []
    assert ended["register_end_wh"] == pile.bench.probe()["energy_register_wh"]
    pile.wait_published()
    assert pile.platform.alarms("alarm_raised") == pile.platform.alarms("alarm_cleared") == {"bms_timeout_bcs"}
    check_books(pile, sessions=1)

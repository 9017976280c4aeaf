"""Debounce, latch and clear rules of faults, each at its limit."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.control.safety.fault_register import FaultRegister, suppressed_form
from agent.settings.catalogue import Fault


def fault(fault_id: str, **more: Any) -> Fault:
    values: dict[str, Any] = {
        "id": fault_id, "level": 2, "action": "stop", "clear": "self", "debounce_s": 0.0, "clear_s": 0.5,
        "source": "", "text_zh": "", "text_en": "", "hint_zh": "", "hint_en": "",
    }  # fmt: skip
    return Fault(**{**values, **more})


CATALOGUE = {
    row.id: row
    for row in (
        fault("a"),
        fault("slow", debounce_s=1.0),
        fault("plug", clear="unplug"),
        fault("slow_plug", clear="unplug", debounce_s=1.0),
        fault("person", clear="local"),
        fault("worst", level=1, action="open"),
        fault("brief", debounce_s=1.0, clear_s=0.0),
    )
}


class Register:
    """The register with the time of each call, and no plug pulled and no reset unless said."""

    def __init__(self) -> None:
        self.register = FaultRegister(CATALOGUE)

    def at(
        self, now_s: float, *present: str, unplugged: bool = False, reset: bool = False
    ) -> tuple[list[str], list[str]]:
        raised, cleared = self.register.update(now_s, present, unplugged=unplugged, reset=reset)
        return [row.id for row in raised], [row.id for row in cleared]

    def active(self) -> list[str]:
        return [item.fault.id for item in self.register.active()]


def test_without_debounce_a_fault_is_raised_at_once_and_only_once() -> None:
    faults = Register()
    assert faults.at(0.0) == ([], [])
    assert faults.at(1.0, "a") == (["a"], [])
    assert faults.at(1.0, "a") == ([], [])
    assert faults.at(2.0, "a") == ([], [])
    (item,) = faults.register.active()
    assert (item.fault.id, item.since_s, item.present) == ("a", 1.0, True)


def test_debounce_at_its_limit() -> None:
    faults = Register()
    assert faults.at(0.0, "slow") == ([], [])
    assert faults.at(0.999, "slow") == ([], [])
    assert faults.active() == []
    assert faults.at(1.0, "slow") == (["slow"], [])
    assert faults.register.active()[0].since_s == 1.0


def test_a_cause_that_goes_away_starts_its_debounce_anew() -> None:
    faults = Register()
    faults.at(0.0, "slow")
    assert faults.at(0.9) == ([], [])
    assert faults.at(0.95, "slow") == ([], [])
    assert faults.at(1.9, "slow") == ([], [])
    assert faults.at(1.95, "slow") == (["slow"], [])


def test_a_fault_clears_itself_after_its_time_without_cause() -> None:
    faults = Register()
    faults.at(0.0, "a")
    assert faults.at(1.0) == ([], [])
    assert not faults.register.active()[0].present
    assert faults.at(1.499) == ([], [])
    assert faults.active() == ["a"]
    assert faults.at(1.5) == ([], ["a"])
    assert faults.active() == []
    assert faults.at(1.6, "a") == (["a"], [])


def test_a_cause_that_comes_back_starts_the_clearing_anew() -> None:
    faults = Register()
    faults.at(0.0, "a")
    faults.at(1.0)
    assert faults.at(1.4, "a") == ([], [])
    assert faults.register.active()[0].present
    assert faults.at(1.5) == ([], [])
    assert faults.at(1.99) == ([], [])
    assert faults.at(2.0) == ([], ["a"])


def test_the_raised_fault_keeps_its_first_time_through_a_flicker() -> None:
    faults = Register()
    faults.at(0.0, "slow")
    faults.at(1.0, "slow")
    faults.at(1.1)
    assert faults.at(1.2, "slow") == ([], [])
    assert faults.register.active()[0].since_s == 1.0


def test_an_unplug_latch_holds_until_the_plug_is_out() -> None:
    faults = Register()
    faults.at(0.0, "plug")
    assert faults.at(100.0) == ([], [])
    assert faults.at(200.0) == ([], [])
    assert faults.at(201.0, unplugged=True) == ([], ["plug"])


def test_a_plug_pulled_while_the_cause_is_there_counts() -> None:
    faults = Register()
    faults.at(0.0, "plug")
    faults.at(1.0, "plug", unplugged=True)
    faults.at(2.0, "plug")
    assert faults.at(3.0) == ([], [])
    assert faults.at(3.5) == ([], ["plug"])


def test_a_plug_that_was_out_before_the_fault_does_not_count() -> None:
    faults = Register()
    faults.at(0.0, unplugged=True)
    faults.at(1.0, "plug")
    faults.at(2.0)
    assert faults.at(100.0) == ([], [])
    # Also not while its debounce was running.
    faults = Register()
    faults.at(0.0, "slow_plug", unplugged=True)
    faults.at(1.0, "slow_plug")
    faults.at(2.0)
    assert faults.at(100.0) == ([], [])


def test_a_plug_pulled_at_the_very_moment_counts() -> None:
    faults = Register()
    assert faults.at(0.0, "plug", unplugged=True) == (["plug"], [])
    faults.at(1.0)
    assert faults.at(1.5) == ([], ["plug"])


def test_each_new_fault_needs_its_own_unplugging() -> None:
    faults = Register()
    faults.at(0.0, "plug", unplugged=True)
    faults.at(1.0)
    assert faults.at(1.5) == ([], ["plug"])
    faults.at(2.0, "plug")
    faults.at(3.0)
    assert faults.at(10.0) == ([], [])


def test_a_local_latch_holds_until_a_person_resets_and_the_cause_is_gone_long_enough() -> None:
    faults = Register()
    faults.at(0.0, "person")
    assert faults.at(1.0, "person", reset=True, unplugged=True) == ([], [])
    assert faults.at(2.0, unplugged=True) == ([], [])
    assert faults.at(2.4, reset=True) == ([], [])
    assert faults.at(3.0) == ([], [])
    assert faults.active() == ["person"]
    assert faults.at(3.1, reset=True) == ([], ["person"])


def test_a_reset_does_nothing_to_an_unplug_latch_nor_an_unplug_to_a_local_one() -> None:
    faults = Register()
    faults.at(0.0, "plug", "person")
    faults.at(1.0)
    assert faults.at(9.0, reset=True) == ([], ["person"])
    faults.at(10.0, "person")
    faults.at(11.0)
    assert faults.at(19.0, unplugged=True) == ([], ["plug"])
    assert faults.active() == ["person"]


def test_many_faults_are_kept_side_by_side_the_most_severe_first_then_the_oldest() -> None:
    faults = Register()
    assert faults.at(0.0, "plug", "slow") == (["plug"], [])
    assert faults.at(1.0, "plug", "slow", "worst", "a") == (["slow", "worst", "a"], [])
    assert faults.active() == ["worst", "plug", "slow", "a"]
    assert faults.at(2.0, "plug") == ([], [])
    assert faults.at(3.0, "plug") == ([], ["slow", "worst", "a"])


def test_a_fault_without_a_clearing_time_goes_with_its_cause() -> None:
    faults = Register()
    faults.at(0.0, "brief")
    assert faults.at(0.5) == ([], [])
    faults.at(1.0, "brief")
    assert faults.at(2.0, "brief") == (["brief"], [])
    assert faults.at(2.1) == ([], ["brief"])


def test_a_fault_that_came_and_went_leaves_nothing_behind() -> None:
    faults = Register()
    faults.at(0.0, "slow", "a")
    faults.at(0.1)
    faults.at(0.6)
    assert faults.register._tracks == {}


def test_an_id_that_the_catalogue_does_not_know_is_an_error() -> None:
    with pytest.raises(KeyError):
        Register().at(0.0, "unheard_of")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.lists(st.sampled_from(sorted(CATALOGUE)), unique=True), st.booleans(), st.booleans())))
def test_raised_and_cleared_take_turns_and_active_is_their_difference(
    course: Sequence[tuple[list[str], bool, bool]],
) -> None:
    faults = Register()
    standing: set[str] = set()
    for step, (present, unplugged, reset) in enumerate(course):
        raised, cleared = faults.at(step * 0.4, *present, unplugged=unplugged, reset=reset)
        assert not standing & set(raised)
        assert set(cleared) <= standing
        assert not set(cleared) & set(present)
        standing = (standing | set(raised)) - set(cleared)
        assert set(faults.active()) == standing
        assert {name for name in present if CATALOGUE[name].debounce_s == 0} <= standing


# The suppressed form: recorded only while a new handshake is prepared.


def suppressed_steps(*steps: tuple[set[str], set[str]]) -> list[tuple[Any, Any]]:
    """One step a second: causes present and those of them suppressed; returns actions raised and cleared."""
    register = FaultRegister(CATALOGUE)
    seen = []
    for number, (present, suppressed) in enumerate(steps):
        raised, cleared = register.update(number * 1.0, present, unplugged=False, reset=False, suppressed=suppressed)
        seen.append(([each.action for each in raised], [each.action for each in cleared]))
    return seen


def test_the_suppressed_form() -> None:
    suppressed = suppressed_form(CATALOGUE["plug"])
    assert (suppressed.id, suppressed.level, suppressed.action, suppressed.clear) == ("plug", 3, "log", "self")


def test_a_suppressed_fault_clears_by_itself_and_a_full_one_stays() -> None:
    both, gone = {"plug"}, set[str]()
    assert suppressed_steps((both, both), (gone, gone), (gone, gone)) == [(["log"], []), ([], []), ([], ["log"])]
    assert suppressed_steps((both, gone), (gone, gone), (gone, gone)) == [(["stop"], []), ([], []), ([], [])]


def test_a_suppressed_fault_that_hardens_is_raised_again_and_a_full_one_never_softens() -> None:
    present, suppressed = {"plug"}, {"plug"}
    both, full = (present, suppressed), (present, set[str]())
    assert suppressed_steps(both, both, full, full, both) == [
        (["log"], []), ([], []), (["stop"], []), ([], []), ([], []),
    ]  # fmt: skip


def test_a_hardened_fault_is_in_force_from_then_on_and_counts_in_full() -> None:
    register = FaultRegister(CATALOGUE)
    register.update(0.0, {"plug"}, unplugged=False, reset=False, suppressed={"plug"})
    assert [(item.fault.action, item.since_s) for item in register.active()] == [("log", 0.0)]
    register.update(2.0, {"plug"}, unplugged=False, reset=False)
    assert [(item.fault.action, item.since_s) for item in register.active()] == [("stop", 2.0)]


def test_the_debounce_holds_for_both_forms() -> None:
    slow, none = {"slow"}, set[str]()
    assert suppressed_steps((slow, slow), (slow, slow)) == [([], []), (["log"], [])]
    # What was suppressed when it came and is full when its time is over counts in full, once.
    assert suppressed_steps((slow, slow), (slow, none), (slow, none)) == [([], []), (["stop"], []), ([], [])]

"""When the core wants to be stepped for the next frame to the vehicle."""

from control_world import World


def test_it_is_never_in_silence_and_the_next_period_in_a_dialogue() -> None:
    assert World().ready().core.next_frame_due_s == float("inf")
    world = World().until("charging")
    due_s = world.core.next_frame_due_s
    assert world.core.now_s < due_s <= world.core.now_s + 0.25
    assert due_s == world.core.charger.next_due()

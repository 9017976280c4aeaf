"""A whole charge in virtual time, and the sessions that end otherwise."""

from control_world import World


def test_a_whole_charge() -> None:
    world = World().until("charging")
    body = world.run_to_end(200.0)
    assert body["result"] == "settled"

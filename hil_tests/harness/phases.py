"""Bringing a pile into a phase of a charge and, where the vehicle can do it, holding it there."""

from hil_tests.harness.pile import Pile

PHASES = (
    "idle",
    "plugged",
    "locked",
    "handshake",
    "insulation",
    "recognition",
    "parameters",
    "precharge",
    "charging",
    "stopping",
    "settled",
)

_HELD_BY = {
    "handshake": "vehicle silence BHM",
    "recognition": "vehicle silence BRM",
    "parameters": "vehicle ready no",
}
"""Vehicle commands that make the phase last until a time-out ends it, 5 s and more later."""


def reach(pile: Pile, phase: str) -> str | None:
    """Bring a fresh pile into ``phase``; returns the id of the session if one is open or has just ended.

    ``locked`` is held by a recorder that is frozen: nothing goes on before the start is durable. A phase that
    cannot be held is returned from at its first sign.
    """
    pile.wait("the pile is ready", lambda status: status["start_blockers"] == ["not plugged"])
    if phase == "idle":
        return None
    pile.bench.do("plug")
    pile.wait_state("plugged")
    if phase == "plugged":
        return None
    if phase in _HELD_BY:
        pile.bench.do(_HELD_BY[phase])
    if phase == "locked":
        pile.wait("no start blocker", lambda status: bool(status["may_start"]))
        pile.freeze("north")
    session = pile.start()
    if phase == "insulation":
        pile.wait_state("insulation")
        pile.wait("the test voltage is on", lambda status: status["sub_step"] in ("raise", "measure"))
    elif phase in ("charging", "stopping", "settled"):
        wait_charging(pile)
        if phase != "charging":
            pile.stop()
            pile.wait_state("stopping")
        if phase == "settled":
            pile.wait_state("settled")
    else:
        pile.wait_state(phase)
    return session


def release(pile: Pile) -> None:
    """Let go of whatever ``reach`` has held."""
    pile.bench.do("vehicle normal")


def wait_charging(pile: Pile) -> None:
    """Wait until current flows and the meter has counted something of it."""
    pile.wait_state("charging")
    begin_wh = pile.bench.probe()["energy_register_wh"]
    pile.wait_probe(
        "current flows and the register moves",
        lambda probe: probe["current_a"] > 20.0 and probe["energy_register_wh"] > begin_wh,
    )

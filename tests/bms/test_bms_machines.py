"""State machines of hypothesis: no sequence of frames, pauses and commands breaks charger, transport or observer.

``make test`` runs them short and always alike; ``make fuzz`` long and each time with other courses
(``PILE_FUZZ_EXAMPLES``). How deep they get is asserted too: a machine that never charges proves little.
"""

import os
from collections import Counter
from typing import ClassVar

from bms_worlds import (
    CHARGER_NAMES,
    JUMPS_S,
    VEHICLE_NAMES,
    ChargerWorld,
    Fate,
    ObserverWorld,
    TransportWorld,
    mutated,
)
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from drivers.can.frame import CanFrame
from drivers.gbt27930.charger.dialogue import Phase
from drivers.gbt27930.charger.phases import Edition
from drivers.gbt27930.messages.table import MESSAGES

LONG = int(os.environ.get("PILE_FUZZ_EXAMPLES", "0"))

NUMBERS = st.integers(0, 255)
FATES = st.lists(st.tuples(st.sampled_from(Fate), NUMBERS), max_size=6)
JUMPS = st.sampled_from(JUMPS_S)
EDITIONS: st.SearchStrategy[Edition] = st.sampled_from(("2015", "2023"))
FRAMES = st.builds(
    CanFrame,
    st.one_of(st.integers(0, 2**29 - 1), st.sampled_from([0x1CEC56F4, 0x1CEB56F4, 0x1CECF456, 0x1CEBF456])),
    st.binary(max_size=8),
)
COMMANDS = st.sampled_from(
    ["begin", "insulation_passed", "output_ready", "stop", "reconnect", "finish", "set_output", "set_limits"]
)
CONTROL_KINDS = st.sampled_from([0x6B, 16, 17, 19, 255, 32, 0])


def run(machine: type[RuleBasedStateMachine], examples: int, steps: int) -> None:
    """Run a machine: short and derandomised, or long."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=LONG or examples,
            stateful_step_count=steps * 3 if LONG else steps,
            derandomize=not LONG,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


class ChargerMachine(RuleBasedStateMachine):
    """Mostly the ordinary dialogue; in between everything that may go wrong."""

    phases: ClassVar[Counter[str]] = Counter()
    sequences: ClassVar[int] = 0
    frames: ClassVar[int] = 0

    @initialize(edition=EDITIONS, ahead=st.integers(0, 9))
    def start(self, edition: Edition, ahead: int) -> None:
        self.world = ChargerWorld(edition)
        for _ in range(ahead):
            self.world.proceed()

    @rule(fates=FATES)
    def proceed_as_the_channel_lets(self, fates: list[tuple[Fate, int]]) -> None:
        self.world.proceed(fates)

    @rule()
    def proceed(self) -> None:
        self.world.proceed()

    @rule(name=st.sampled_from(VEHICLE_NAMES), fates=FATES)
    def say(self, name: str, fates: list[tuple[Fate, int]]) -> None:
        self.world.say(name, fates=fates)

    @rule(name=st.sampled_from(VEHICLE_NAMES), variant=st.integers(1, 9), number=NUMBERS)
    def say_something_absurd(self, name: str, variant: int, number: int) -> None:
        self.world.say(name, variant=variant, number=number)

    @rule(seconds=JUMPS)
    def wait(self, seconds: float) -> None:
        self.world.wait(seconds)

    @rule(name=COMMANDS, number=NUMBERS)
    def command(self, name: str, number: int) -> None:
        self.world.command(name, number)

    @rule(frame=FRAMES)
    def any_frame(self, frame: CanFrame) -> None:
        self.world.raw(frame)

    @rule(kind=CONTROL_KINDS, a=NUMBERS, b=NUMBERS, c=NUMBERS)
    def free_transfer_frame(self, kind: int, a: int, b: int, c: int) -> None:
        self.world.transfer(kind, a, b, c)

    @rule(name=st.sampled_from(VEHICLE_NAMES), fate=st.sampled_from(Fate), number=NUMBERS, times=st.integers(1, 300))
    def flood(self, name: str, fate: Fate, number: int, times: int) -> None:
        message = MESSAGES[name]
        frame = mutated(CanFrame(message.identifier, bytes(min(8, message.length or 8))), fate, number)
        for _ in range(times):
            self.world.raw(frame)

    @precondition(lambda self: self.world.charger.phase is Phase.TIMED_OUT)
    @rule()
    def reconnect(self) -> None:
        self.world.command("reconnect")

    @rule(hears=st.booleans())
    def vehicle_hears(self, hears: bool) -> None:
        self.world.vehicle_hears = hears

    @invariant()
    def is_bounded(self) -> None:
        if hasattr(self, "world"):
            self.world.check_memory()

    def teardown(self) -> None:
        ChargerMachine.phases += self.world.phases
        ChargerMachine.sequences += 1
        ChargerMachine.frames += self.world.frames


def test_no_course_breaks_the_charger() -> None:
    run(ChargerMachine, 150, 50)
    assert set(ChargerMachine.phases) == {phase.value for phase in Phase}, "phases that were never reached"
    assert ChargerMachine.phases["charging"] >= 20
    _tell("charger", ChargerMachine.sequences, ChargerMachine.phases, ChargerMachine.frames)


class TransportMachine(RuleBasedStateMachine):
    """Transfers both ways through a bad channel."""

    counters: ClassVar[Counter[str]] = Counter()
    sequences: ClassVar[int] = 0
    frames: ClassVar[int] = 0

    @initialize()
    def start(self) -> None:
        self.world = TransportWorld()

    @rule(
        end=st.integers(0, 1),
        pgn=st.sampled_from([0x0200, 0x0600, 0x1100, 0x1500]),
        size=st.one_of(st.integers(1, 60), st.sampled_from([9, 14, 252, 1785])),
        seed=NUMBERS,
    )
    def send(self, end: int, pgn: int, size: int, seed: int) -> None:
        self.world.send(end, pgn, bytes((seed + at) & 0xFF for at in range(size)))

    @rule(end=st.integers(0, 1), fates=FATES)
    def bad_channel(self, end: int, fates: list[tuple[Fate, int]]) -> None:
        self.world.plan(end, fates)

    @rule(
        end=st.integers(0, 1),
        fates=st.lists(
            st.tuples(st.sampled_from([Fate.LOST, Fate.TWICE, Fate.LATER, Fate.ARRIVES]), NUMBERS), max_size=12
        ),
    )
    def losing_channel(self, end: int, fates: list[tuple[Fate, int]]) -> None:
        self.world.plan(end, fates)

    @rule(seconds=JUMPS)
    def wait(self, seconds: float) -> None:
        self.world.wait(seconds)

    @rule(end=st.integers(0, 1), frame=FRAMES)
    def any_frame(self, end: int, frame: CanFrame) -> None:
        self.world.raw(end, frame)

    @rule(end=st.integers(0, 1), kind=st.sampled_from([16, 17, 19, 255, 32]), a=NUMBERS, b=NUMBERS, c=NUMBERS)
    def control(self, end: int, kind: int, a: int, b: int, c: int) -> None:
        identifier = (0x1CEC56F4, 0x1CECF456)[end]
        pgn = (0x0200, 0x0600, 0x1100, 0x1500)[c % 4]
        self.world.raw(end, CanFrame(identifier, bytes((kind, a, 0, b, c)) + pgn.to_bytes(3, "little")))

    @rule(end=st.integers(0, 1), number=NUMBERS, size=st.integers(0, 8))
    def data(self, end: int, number: int, size: int) -> None:
        self.world.raw(end, CanFrame((0x1CEB56F4, 0x1CEBF456)[end], bytes((number,) * size)))

    @rule(end=st.integers(0, 1))
    def reset(self, end: int) -> None:
        self.world.reset(end)

    @invariant()
    def is_bounded(self) -> None:
        if hasattr(self, "world"):
            self.world.check_memory()

    def teardown(self) -> None:
        self.world.settle()
        for end in self.world.ends:
            TransportMachine.counters.update({name: count for name, count in end.counters.items() if count})
        TransportMachine.sequences += 1
        TransportMachine.frames += self.world.frames


def test_no_course_breaks_the_transport() -> None:
    run(TransportMachine, 150, 40)
    assert {"received", "receive_failed", "retransmissions", "wrong_sequence", "sent", "send_failed"} <= set(
        TransportMachine.counters
    )
    _tell("transport", TransportMachine.sequences, TransportMachine.counters, TransportMachine.frames)


class ObserverMachine(RuleBasedStateMachine):
    """The same dialogues, heard by an observer through a bad channel of its own."""

    stages: ClassVar[Counter[str]] = Counter()
    sequences: ClassVar[int] = 0
    frames: ClassVar[int] = 0

    @initialize(edition=EDITIONS, ahead=st.integers(0, 10))
    def start(self, edition: Edition, ahead: int) -> None:
        self.world = ObserverWorld(edition)
        for _ in range(ahead):
            self.world.dialogue.proceed()

    @rule()
    def proceed(self) -> None:
        self.world.dialogue.proceed()

    @rule(name=st.sampled_from(VEHICLE_NAMES), variant=st.integers(0, 9), number=NUMBERS)
    def say(self, name: str, variant: int, number: int) -> None:
        self.world.dialogue.say(name, variant=variant, number=number)

    @rule(name=st.sampled_from(VEHICLE_NAMES + CHARGER_NAMES), variant=st.integers(0, 2), number=NUMBERS)
    def hear(self, name: str, variant: int, number: int) -> None:
        self.world.say(name, variant, number)

    @rule(fates=FATES)
    def bad_channel(self, fates: list[tuple[Fate, int]]) -> None:
        self.world.channel.plan(fates)

    @rule(frame=FRAMES)
    def any_frame(self, frame: CanFrame) -> None:
        self.world.hear(frame)

    @rule(seconds=JUMPS)
    def wait(self, seconds: float) -> None:
        self.world.dialogue.wait(seconds)
        self.world.poll()

    @rule(seconds=st.sampled_from([-1e4, -2.0, -0.5, 0.0, 3600.0, float("inf"), float("nan")]))
    def clock_jumps(self, seconds: float) -> None:
        self.world.jump_s = seconds
        self.world.poll()
        self.world.jump_s = 0.0 if seconds != seconds or seconds == float("inf") else seconds

    @rule(name=COMMANDS, number=NUMBERS)
    def command(self, name: str, number: int) -> None:
        self.world.dialogue.command(name, number)

    @rule()
    def finish(self) -> None:
        self.world.finish()

    @invariant()
    def is_bounded(self) -> None:
        if hasattr(self, "world"):
            self.world.check_memory()

    def teardown(self) -> None:
        self.world.finish()
        ObserverMachine.stages += self.world.stages
        ObserverMachine.sequences += 1
        ObserverMachine.frames += self.world.observer.frames


def test_no_course_breaks_the_observer() -> None:
    run(ObserverMachine, 80, 40)
    assert len(ObserverMachine.stages) >= 10
    _tell("observer", ObserverMachine.sequences, ObserverMachine.stages, ObserverMachine.frames)


def _tell(name: str, sequences: int, reached: Counter[str], frames: int) -> None:
    """For ``make fuzz``, which reads it from the output."""
    print(f"\nmachine {name}: {sequences} sequences, {frames} frames")
    for key, count in sorted(reached.items()):
        print(f"  reached {key}: {count}")

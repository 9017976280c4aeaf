"""The charger's phases: what is sent when, what ends it, what the control hears."""

import itertools
from typing import Any

import pytest
from bms_dialogue import LIMITS, STEP_S, VALUES, Dialogue
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.can.frame import CanFrame
from drivers.gbt27930.charger.dialogue import Charger, ChargerLimits, EventKind, Phase, StopCause
from drivers.gbt27930.charger.expectations import EXPECTED, TRAILING
from drivers.gbt27930.charger.phases import SILENT, Edition, stop_bits
from drivers.gbt27930.charger.reports import EVENTS_AT_MOST
from drivers.gbt27930.messages.table import MESSAGES, decode, encode, identifier_of

ALL_ACTIVE = [phase for phase in Phase if phase not in SILENT]
BEFORE_OUTPUT = [Phase.HANDSHAKE, Phase.RECOGNITION, Phase.RECOGNISED, Phase.PARAMETERS, Phase.WAIT_READY]


def in_phase(phase: Phase, edition: Edition = "2015") -> Dialogue:
    if phase is Phase.TIMED_OUT:
        dialogue = Dialogue(edition).until(Phase.RECOGNITION)
        dialogue.run(5.0)
        dialogue.expect(Phase.TIMED_OUT)
        return dialogue
    return Dialogue(edition).until(phase)


# ------------------------------------------------------------------------------------------------ a whole session


def test_whole_session_frame_by_frame() -> None:
    talk = Dialogue()
    charger = talk.charger
    talk.expect(Phase.IDLE)
    talk.run(1.0)
    assert talk.sent == []
    charger.begin(talk.now_s)
    talk.run(2.0)
    assert talk.payloads("CHM") == ["010100"] * 9
    talk.say("BHM")
    assert talk.latest("BHM").values == {"maximum_voltage_v": 500.0}
    talk.run(10.0, "BHM")  # the insulation test may take its time
    charger.insulation_passed(talk.now_s)
    talk.run(1.0)
    assert set(talk.payloads("CRM")) == {"0067120000ffffff"}
    chm = len(talk.payloads("CHM"))
    talk.say("BRM")
    talk.run(1.0)
    assert talk.payloads("CRM")[-1] == "aa67120000ffffff"
    talk.say("BCP")
    talk.run(2.0, "BRO")
    talk.expect(Phase.WAIT_READY)
    assert talk.payloads("CML") == ["4c1dd007c409960f"]
    assert talk.payloads("CTS") == ["ff" * 7]
    assert set(talk.payloads("CRO")) == {"00"}
    charger.output_ready(talk.now_s)
    talk.run(0.5)
    assert talk.payloads("CRO")[-1] == "aa"
    charger.set_output(345.2, 80.0, True, 61)
    talk.say("BCL", "BCS")
    talk.run(2.0, "BCL", "BCS", "BSM")
    assert talk.payloads("CCS") == ["7c0d800c3d00fd"] * 41
    charger.stop(talk.now_s, StopCause.CONDITION_REACHED)
    charger.set_totals(62, 12_345)
    talk.run(0.1)
    assert talk.payloads("CST") == ["0100f0f0"] * 11
    talk.say("BST")
    talk.run(0.1, "BST", "BSM", "BCL")
    talk.say("BSD")
    talk.run(1.0, "BSD")
    talk.expect(Phase.ENDING)
    assert talk.payloads("CSD") == ["3e007b0067120000"] * 5
    charger.finish(talk.now_s)
    frames = len(talk.sent)
    talk.run(1.0, "BSD")
    assert len(talk.sent) == frames
    assert len(talk.payloads("CHM")) == chm
    assert charger.next_due() is None
    talk.expect(Phase.ENDED)
    assert talk.kinds() == [
        EventKind.VEHICLE_VOLTAGE,
        EventKind.IDENTIFIED,
        EventKind.PARAMETERS,
        EventKind.READY,
        EventKind.CHARGING,
        EventKind.STATISTICS,
    ]
    assert talk.events[1].detail["vin"] == "V" * 17
    assert talk.latest("BSD").values["soc_percent"] == 80
    status = charger.status()
    assert (status["phase"], status["refused"], status["missing"]) == ("ended", 0, None)
    assert status["frames_out"] == len(talk.sent)
    assert status["transport"]["received"] == 11


def test_second_session_starts_clean() -> None:
    talk = Dialogue().until(Phase.ENDING)
    talk.charger.begin(talk.now_s)
    talk.expect(Phase.ENDING)  # no effect while a session is under way
    talk.charger.finish(talk.now_s)
    talk.charger.begin(talk.now_s)
    talk.expect(Phase.HANDSHAKE)
    assert talk.charger.vehicle.bhm is None
    talk.until(Phase.CHARGING)
    talk.run(0.1, "BCL")
    assert talk.payloads("CCS")[-1] == "0000a00f0000fc"


def test_brm_of_41_bytes_identifies_the_vehicle() -> None:
    talk = Dialogue().until(Phase.RECOGNITION)
    brm = MESSAGES["BRM"]
    talk.vehicle.send(brm.pgn, brm.priority, encode("BRM", VALUES["BRM"])[:41], talk.now_s)
    talk.exchange()
    talk.expect(Phase.RECOGNISED)


def test_transfer_is_answered_in_the_same_poll() -> None:
    talk = Dialogue().until(Phase.RECOGNITION)
    talk.charger.receive(CanFrame(0x1CEC56F4, bytes.fromhex("10310007ff000200")), talk.now_s)
    assert talk.charger.next_due() == talk.now_s
    assert talk.charger.poll(talk.now_s)[0] == CanFrame(0x1CECF456, bytes.fromhex("110701ffff000200"))


# ------------------------------------------------------------------------------------------------ the grid


def test_messages_keep_their_grid_when_polled_late() -> None:
    charger = Charger(charger_number=1, limits=LIMITS)
    charger.begin(0.0)
    sent = [now for now in (0.0, 0.1, 0.2499, 0.26, 0.4999, 0.5, 1.3, 1.31, 1.49, 1.5) if charger.poll(now)]
    assert sent == [0.0, 0.26, 0.5, 1.3, 1.5]
    assert charger.next_due() == 1.75


def test_late_poll_exactly_on_a_grid_point_sends_once() -> None:
    charger = Charger(charger_number=1, limits=LIMITS)
    for count in range(1, 200):
        charger.finish(0.0)
        charger.begin(0.1)
        now_s = 0.1 + count * 0.25
        if now_s < 5:
            assert len(charger.poll(now_s)) == 1
            assert charger.poll(now_s) == []


def test_cts_every_500_ms_with_the_local_time() -> None:
    talk = Dialogue()
    talk.charger.local_time = (2026, 3, 9, 8, 7, 6)
    talk.until(Phase.PARAMETERS)
    talk.run(1.2)
    assert talk.payloads("CTS") == ["06070809032620"] * 3
    assert len(talk.payloads("CML")) == 5
    talk.charger.local_time = (2026, 13, 9, 8, 7, 6)
    assert talk.charger.local_time == (2026, 13, 9, 8, 7, 6)
    talk.run(0.5)
    assert talk.payloads("CTS")[-1] == "ff" * 7


def test_limits_may_change_while_they_are_told() -> None:
    talk = Dialogue().until(Phase.PARAMETERS)
    talk.charger.set_limits(ChargerLimits(500, 150, 600, 0))
    talk.run(0.3)
    assert decode("CML", bytes.fromhex(talk.payloads("CML")[-1])) == {
        "maximum_voltage_v": 500.0,
        "minimum_voltage_v": 150.0,
        "maximum_current_a": 400.0,  # more cannot be said
        "minimum_current_a": 0.0,
    }


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ((-0.4, -500.0, False, -1), (0.0, -400.0, False, 0)),
        ((1600.0, 500.0, True, 700), (1500.0, 400.0, True, 600)),
        ((float("nan"), float("nan"), True, 5), (0.0, 0.0, True, 5)),
    ],
)
def test_output_that_cannot_be_told_becomes_the_nearest(output: Any, told: Any) -> None:
    talk = Dialogue().until(Phase.CHARGING)
    talk.charger.set_output(*output)
    talk.run(0.1, "BCL")
    values = decode("CCS", bytes.fromhex(talk.payloads("CCS")[-1]))
    assert (values["voltage_v"], values["current_a"], values["permitted"], values["minutes"]) == told


# ------------------------------------------------------------------------------------------------ readiness


def test_bro_00_keeps_the_parameters_going_and_bro_ff_says_nothing() -> None:
    talk = Dialogue().until(Phase.PARAMETERS)
    talk.run(4.0)
    talk.raw("BRO", b"\x00")
    talk.run(3.0)
    talk.raw("BRO", b"\xff")
    talk.expect(Phase.PARAMETERS)
    talk.say("BRO")
    talk.expect(Phase.WAIT_READY)
    assert talk.last(EventKind.READY).message == "BRO"
    talk.raw("BRO", b"\xff")
    talk.expect(Phase.WAIT_READY)


@pytest.mark.parametrize(("edition", "phase"), [("2015", Phase.ENDED), ("2023", Phase.STOPPING)])
def test_bro_that_falls_back_ends_the_session(edition: Any, phase: Any) -> None:
    talk = Dialogue(edition).until(Phase.WAIT_READY)
    talk.run(0.5)
    talk.raw("BRO", b"\x00")
    talk.exchange()
    talk.expect(phase)
    assert talk.last(EventKind.NOT_READY).message == "BRO"
    talk.run(0.05)
    assert set(talk.payloads("CST")) == ({"100040f0"} if edition == "2023" else set())


def test_bcs_before_bcl_starts_the_charge_too() -> None:
    talk = Dialogue().until(Phase.READY)
    talk.say("BCS")
    talk.expect(Phase.READY)
    talk.run(0.5)
    talk.say("BCL")
    talk.expect(Phase.CHARGING)
    assert talk.latest("BCL").at_s == talk.now_s
    assert talk.latest("BCS").at_s == pytest.approx(talk.now_s - 0.5)


@pytest.mark.parametrize("phase", [each for each in ALL_ACTIVE if each is not Phase.HANDSHAKE])
def test_insulation_passed_counts_only_in_the_handshake(phase: Any) -> None:
    talk = in_phase(phase)
    talk.charger.insulation_passed(talk.now_s)
    talk.expect(phase)


def test_insulation_cannot_pass_before_the_vehicle_named_its_voltage() -> None:
    talk = Dialogue().until(Phase.HANDSHAKE)
    talk.charger.insulation_passed(talk.now_s)
    talk.expect(Phase.HANDSHAKE)


@pytest.mark.parametrize("phase", [each for each in ALL_ACTIVE if each is not Phase.WAIT_READY])
def test_output_ready_counts_only_when_it_is_waited_for(phase: Any) -> None:
    talk = in_phase(phase)
    talk.charger.output_ready(talk.now_s)
    talk.expect(phase)


# ------------------------------------------------------------------------------------------------ BSM


@pytest.mark.parametrize("phase", [Phase.READY, Phase.CHARGING])
@pytest.mark.parametrize(
    ("state", "value", "stops"),
    [
        ("cell_voltage_state", 1, True),
        ("cell_voltage_state", 2, True),
        ("soc_state", 1, True),
        ("soc_state", 2, True),
        *itertools.chain.from_iterable(
            ((state, 1, True), (state, 2, False))
            for state in ("over_current_state", "over_temperature_state", "insulation_state", "connector_state")
        ),
    ],
)
def test_abnormal_states_stop_and_untrusted_ones_do_not(phase: Any, state: Any, value: Any, stops: Any) -> None:
    talk = Dialogue().until(phase)
    talk.say("BSM", **{state: value})
    assert talk.latest("BSM").values[state] == value
    if stops:
        talk.expect(Phase.STOPPING)
        assert talk.payloads("CST") == ["1000f4f0"]
        assert talk.last(EventKind.VEHICLE_FAULT).detail == {"states": {state: value}}
    else:
        talk.expect(phase)
        assert EventKind.VEHICLE_FAULT not in talk.kinds()


def test_pause_withholds_the_permission_until_the_vehicle_resumes() -> None:
    talk = Dialogue().until(Phase.CHARGING)
    talk.charger.set_output(345.2, 80.0, True, 0)
    talk.say("BSM", charging_permitted=False)
    talk.say("BSM", charging_permitted=False)
    assert talk.charger.paused
    talk.run(0.2, "BCL", "BCS")
    assert talk.payloads("CCS")[-1].endswith("fc")
    talk.say("BSM", charging_permitted=None)  # neither yes nor no
    assert talk.charger.paused
    talk.say("BSM")
    talk.say("BSM")
    talk.run(0.2, "BCL", "BCS")
    assert talk.payloads("CCS")[-1].endswith("fd")
    assert talk.kinds()[-2:] == [EventKind.PAUSED, EventKind.RESUMED]
    talk.say("BSM", charging_permitted=None)
    assert not talk.charger.paused


def test_pause_of_ten_minutes_is_ended_even_when_it_began_before_the_charge() -> None:
    talk = Dialogue().until(Phase.READY)
    talk.say("BSM", charging_permitted=False)
    assert talk.charger.paused
    talk.run(0.5)
    talk.say("BCL", "BCS")
    talk.expect(Phase.CHARGING)
    began_s = talk.now_s - 0.5
    while talk.now_s < began_s + 599.0:
        talk.steps += round(0.9 / STEP_S)
        talk.say("BCL", "BCS")
    talk.expect(Phase.CHARGING)
    talk.run(began_s + 600.0 - talk.now_s - STEP_S, "BCL")
    talk.expect(Phase.CHARGING)
    talk.run(2 * STEP_S)
    talk.expect(Phase.STOPPING)
    assert set(talk.payloads("CST")) == {"0100f0f0"}
    assert talk.last(EventKind.TIMEOUT).detail["waited_for"] == "end of the pause"
    assert not talk.charger.paused


# ------------------------------------------------------------------------------------------------ stopping


@pytest.mark.parametrize("phase", [Phase.PARAMETERS, Phase.WAIT_READY, Phase.READY, Phase.CHARGING])
def test_bst_is_obeyed_and_answered(phase: Any) -> None:
    talk = Dialogue().until(phase)
    talk.say("BST", soc_target_reached=0, insulation_fault=1)
    talk.expect(Phase.STOPPING)
    assert talk.payloads("CST") == ["4000f0f0"]
    assert talk.last(EventKind.STOP_REQUESTED).detail == {"reasons": ["insulation_fault"]}
    talk.run(6.0, "BST")
    talk.expect(Phase.STOPPING)  # the BST that is answered is not waited for
    assert talk.kinds().count(EventKind.STOP_REQUESTED) == 1


@pytest.mark.parametrize("cause", list(StopCause))
@pytest.mark.parametrize("phase", [Phase.READY, Phase.CHARGING])
def test_own_decision_is_told_with_its_cause(phase: Any, cause: Any) -> None:
    talk = Dialogue().until(phase)
    talk.charger.stop(talk.now_s, cause)
    talk.charger.stop(talk.now_s, StopCause.EMERGENCY_STOP)  # the first cause stays
    talk.exchange()
    talk.expect(Phase.STOPPING)
    assert talk.payloads("CST") == [encode("CST", stop_bits(cause, "2015")).hex()]


@pytest.mark.parametrize(
    ("cause", "edition", "payload"),
    [
        (StopCause.CONDITION_REACHED, "2015", "0100f0f0"),
        (StopCause.PAUSE_TOO_LONG, "2015", "0100f0f0"),
        (StopCause.MANUAL, "2015", "0400f0f0"),
        (StopCause.BY_VEHICLE, "2015", "4000f0f0"),
        (StopCause.FAULT, "2015", "1000f4f0"),
        (StopCause.OTHER_FAULT, "2015", "1000f4f0"),
        (StopCause.PARAMETER_MISMATCH, "2015", "1000f4f0"),
        (StopCause.SELF_TEST, "2015", "1000f4f0"),
        (StopCause.PRECHARGE, "2015", "1000f4f0"),
        (StopCause.EMERGENCY_STOP, "2015", "1000f1f0"),
        (StopCause.OVER_TEMPERATURE, "2015", "1001f0f0"),
        (StopCause.CONNECTOR_FAULT, "2015", "1004f0f0"),
        (StopCause.INTERNAL_OVER_TEMPERATURE, "2015", "1010f0f0"),
        (StopCause.ENERGY_TRANSFER_IMPOSSIBLE, "2015", "1040f0f0"),
        (StopCause.CURRENT_MISMATCH, "2015", "1000f0f1"),
        (StopCause.VOLTAGE_ABNORMAL, "2015", "1000f0f4"),
        (StopCause.MANUAL, "2023", "040000f0"),
        (StopCause.SELF_TEST, "2023", "100010f0"),
        (StopCause.PRECHARGE, "2023", "100040f0"),
    ],
)
def test_bits_of_the_causes(cause: Any, edition: Any, payload: Any) -> None:
    assert encode("CST", stop_bits(cause, edition)).hex() == payload


@pytest.mark.parametrize("phase", BEFORE_OUTPUT)
def test_stop_before_the_output_is_silence(phase: Any) -> None:
    talk = Dialogue().until(phase)
    talk.charger.stop(talk.now_s, StopCause.MANUAL)
    frames = len(talk.sent)
    talk.run(1.0, "BHM", "BRM")
    talk.expect(Phase.ENDED)
    assert len(talk.sent) == frames
    assert talk.charger.status()["while_silent"] > 0


@pytest.mark.parametrize(
    ("phase", "cause", "payload"),
    [
        (Phase.HANDSHAKE, StopCause.SELF_TEST, "100010f0"),
        (Phase.WAIT_READY, StopCause.PRECHARGE, "100040f0"),
        (Phase.PARAMETERS, StopCause.PARAMETER_MISMATCH, "100004f0"),
    ],
)
def test_2023_tells_the_vehicle_of_failures_before_the_output(phase: Any, cause: Any, payload: Any) -> None:
    talk = Dialogue("2023").until(phase)
    talk.charger.stop(talk.now_s, cause)
    talk.exchange()
    talk.expect(Phase.STOPPING)
    assert talk.payloads("CST") == [payload]


def test_2023_mismatch_is_told_after_the_limits() -> None:
    talk = Dialogue("2023").until(Phase.RECOGNISED)
    bcp = MESSAGES["BCP"]
    talk.vehicle.send(bcp.pgn, bcp.priority, encode("BCP", VALUES["BCP"]), talk.now_s)
    for _ in range(2):
        for frame in talk.vehicle.poll(talk.now_s):
            talk.charger.receive(frame, talk.now_s)
        if talk.phase is Phase.RECOGNISED:
            for frame in talk.charger.poll(talk.now_s):
                talk.vehicle.receive(frame, talk.now_s)
    talk.expect(Phase.PARAMETERS)
    talk.charger.stop(talk.now_s, StopCause.PARAMETER_MISMATCH)
    identifiers = [frame.identifier for frame in talk.charger.poll(talk.now_s)]
    assert identifiers.index(identifier_of("CML")) < identifiers.index(identifier_of("CST"))


@pytest.mark.parametrize("phase", [Phase.IDLE, Phase.STOPPING, Phase.ENDING, Phase.TIMED_OUT, Phase.ENDED])
def test_stop_elsewhere_changes_nothing(phase: Any) -> None:
    talk = Dialogue()
    if phase is Phase.ENDED:
        talk.charger.finish(0.0)
    elif phase is not Phase.IDLE:
        talk = in_phase(phase)
    talk.charger.stop(talk.now_s, StopCause.MANUAL)
    talk.expect(phase)
    assert not talk.charger.reconnect(talk.now_s)


def test_bsd_without_bst_ends_the_stopping() -> None:
    talk = Dialogue().until(Phase.CHARGING)
    talk.charger.stop(talk.now_s, StopCause.MANUAL)
    talk.say("BSD")
    talk.expect(Phase.ENDING)
    talk.run(20.0, "BSD")
    talk.expect(Phase.ENDING)
    assert talk.kinds().count(EventKind.STATISTICS) == 1


# ------------------------------------------------------------------------------------------------ BEM


@pytest.mark.parametrize(
    "phase",
    [Phase.HANDSHAKE, Phase.RECOGNISED, Phase.PARAMETERS, Phase.WAIT_READY, Phase.READY, Phase.CHARGING],
)
def test_time_out_of_the_vehicle_ends_the_dialogue_without_cem(phase: Any) -> None:
    talk = Dialogue().until(phase)
    talk.say("BEM")
    frames = len(talk.sent)
    talk.run(2.0, "BEM")
    talk.expect(Phase.TIMED_OUT)
    assert len(talk.sent) == frames
    assert talk.charger.next_due() is None
    assert talk.kinds().count(EventKind.VEHICLE_TIMEOUT) == 1
    assert talk.last(EventKind.VEHICLE_TIMEOUT).detail == {"reasons": ["ccs_timeout"]}
    # Before the self-test has passed there is nothing to come back to.
    assert talk.charger.reconnect(talk.now_s) is (phase is not Phase.HANDSHAKE)


def test_time_out_of_the_vehicle_while_stopping_bars_the_reconnection() -> None:
    talk = Dialogue().until(Phase.STOPPING)
    talk.say("BEM")
    talk.expect(Phase.TIMED_OUT)
    assert not talk.charger.reconnect(talk.now_s)


def test_time_out_of_the_vehicle_at_the_end_is_only_told() -> None:
    talk = Dialogue().until(Phase.ENDING)
    talk.say("BEM")
    talk.say("BEM", csd_timeout=1)
    talk.expect(Phase.ENDING)
    assert talk.kinds().count(EventKind.VEHICLE_TIMEOUT) == 2


def test_vehicle_that_still_repeats_bem_can_be_recognised_again() -> None:
    talk = in_phase(Phase.TIMED_OUT)
    assert talk.charger.reconnect(talk.now_s)
    talk.run(1.0, "BEM")
    talk.expect(Phase.RECOGNITION)
    assert EventKind.LATE not in talk.kinds()
    assert talk.charger.vehicle.bhm is not None
    assert talk.charger.missing is None
    talk.say("BRM")
    talk.expect(Phase.RECOGNISED)


def test_time_out_of_the_vehicle_does_not_repeat_an_earlier_cem() -> None:
    talk = in_phase(Phase.TIMED_OUT)
    cem = len(talk.payloads("CEM"))
    talk.charger.reconnect(talk.now_s)
    talk.say("BRM")
    talk.say("BEM")
    talk.run(1.0)
    talk.expect(Phase.TIMED_OUT)
    assert len(talk.payloads("CEM")) == cem


@pytest.mark.parametrize("phase", [Phase.RECOGNITION, Phase.TIMED_OUT])
def test_transfer_of_an_earlier_dialogue_is_not_answered(phase: Any) -> None:
    talk = in_phase(phase)
    talk.charger.receive(CanFrame(0x1CEC56F4, bytes.fromhex("10310007ff000200")), talk.now_s)
    if phase is Phase.TIMED_OUT:
        assert talk.charger.reconnect(talk.now_s)
    else:
        talk.charger.finish(talk.now_s)
        talk.charger.begin(talk.now_s)
    own = identifier_of("CRM") if phase is Phase.TIMED_OUT else identifier_of("CHM")
    assert [frame.identifier for frame in talk.charger.poll(talk.now_s)] == [own]


# ------------------------------------------------------------------------------------------------ late and refused


def test_every_message_has_its_place_in_every_phase() -> None:
    assert set(EXPECTED) == set(TRAILING) == set(ALL_ACTIVE)
    for phase in ALL_ACTIVE:
        assert not set(EXPECTED[phase]) & set(TRAILING[phase])


@pytest.mark.parametrize("phase", ALL_ACTIVE)
@pytest.mark.parametrize("name", sorted(VALUES))
def test_messages_out_of_place_are_counted_and_change_nothing(phase: Any, name: Any) -> None:
    if name in EXPECTED[phase]:
        return
    talk = in_phase(phase)
    late, before = talk.charger.counters["late"], talk.charger.vehicle
    known = {each: getattr(before, each) for each in before.__struct_fields__}
    talk.say(name)
    talk.say(name)
    talk.expect(phase)
    assert talk.charger.counters["late"] == late + 2
    assert {each: getattr(before, each) for each in before.__struct_fields__} == known
    reported = [event for event in talk.events if event.kind is EventKind.LATE]
    assert [event.message for event in reported] == ([] if name in TRAILING[phase] else [name])


def test_late_messages_are_reported_again_after_ten_seconds() -> None:
    talk = Dialogue().until(Phase.ENDING)
    talk.say("BRM")
    talk.run(9.9, "BRM")
    assert talk.kinds().count(EventKind.LATE) == 1
    talk.run(0.5, "BRM")
    assert talk.kinds().count(EventKind.LATE) == 2


@pytest.mark.parametrize(
    ("phase", "name", "payload", "reason"),
    [
        (Phase.RECOGNITION, "BRM", "0101000000000000", "BRM has 8 bytes"),
        (Phase.RECOGNISED, "BCP", "0101000000000000", "BCP has 8 bytes"),
        (Phase.READY, "BCS", "0101000000000000", "BCS has 8 bytes"),
        (Phase.READY, "BCL", "0410b80b02ffffff", "BCL has 8 bytes"),
        (Phase.READY, "BCL", "ffffb80b02", "BCL has no usable voltage_v"),
        (Phase.CHARGING, "BCL", "0410ffff09", "BCL has no usable current_a, mode"),
        (Phase.HANDSHAKE, "BHM", "88", "BHM has 1 bytes"),
    ],
)
def test_messages_that_cannot_be_used_are_refused_and_reported(
    phase: Any, name: Any, payload: Any, reason: Any
) -> None:
    talk = Dialogue().until(phase)
    kept = getattr(talk.charger.vehicle, name.lower())
    talk.raw(name, bytes.fromhex(payload))
    talk.exchange()
    talk.expect(phase)
    assert getattr(talk.charger.vehicle, name.lower()) is kept
    assert talk.charger.counters["refused"] == 1
    event = talk.last(EventKind.REFUSED)
    assert event.message == name
    assert event.detail["reason"].startswith(reason)
    assert event.detail["payload"] == payload


def test_battery_details_are_kept_without_further_ado() -> None:
    talk = Dialogue().until(Phase.CHARGING)
    talk.say("BMV", "BMT", "BSP")
    talk.expect(Phase.CHARGING)
    assert len(talk.latest("BMV").values["cell_voltages_v"]) == 126
    assert talk.latest("BMT").values == {"temperatures_c": [20, 21]}
    assert talk.latest("BSP").values == {"reserved": [1, 2]}


def test_unknown_and_foreign_frames_are_counted() -> None:
    talk = Dialogue().until(Phase.CHARGING)
    for identifier in (0x183056F4, 0x182856F4, 0x1CECF456, 0x0070F4B5):
        talk.charger.receive(CanFrame(identifier, bytes(8)), talk.now_s)
    talk.charger.receive(CanFrame(0x1CEC56F4, bytes.fromhex("10310007ff002900")), talk.now_s)
    status = talk.charger.status()
    assert (status["unknown"], status["transport"]["foreign"]) == (2, 3)
    talk.expect(Phase.CHARGING)


def test_events_nobody_fetches_are_bounded_and_the_loss_is_counted() -> None:
    talk = Dialogue().until(Phase.CHARGING)
    for _ in range(EVENTS_AT_MOST):
        for permitted in (b"\xc0", b"\xd0"):
            talk.raw("BSM", bytes.fromhex("005000500000") + permitted)
    assert len(talk.charger.events()) == EVENTS_AT_MOST
    assert talk.charger.status()["events_dropped"] == EVENTS_AT_MOST


# ------------------------------------------------------------------------------------------------ making one


@pytest.mark.parametrize("more", [{"charger_number": -1}, {"charger_number": 1 << 32}, {"area_code": b"four"}])
def test_charger_number_and_area_code_must_fit(more: Any) -> None:
    with pytest.raises(ValueError, match=r"charger number|area code"):
        Charger(**{"charger_number": 1, "limits": LIMITS, **more})


@pytest.mark.parametrize("limits", [(100, 200, 1, 0), (1501, 0, 1, 0), (100, -1, 1, 0), (100, 0, 1, 2), (1, 0, 1, -1)])
def test_limits_must_make_sense(limits: Any) -> None:
    with pytest.raises(ValueError, match="minimum <= maximum"):
        ChargerLimits(*limits)


def test_area_code_is_told() -> None:
    talk = Dialogue(area_code=b"123").until(Phase.RECOGNITION)
    assert talk.payloads("CRM") == ["0067120000313233"]


# ------------------------------------------------------------------------------------------------ any input at all

IDENTIFIERS = st.one_of(
    st.sampled_from([message.identifier for message in MESSAGES.values()]),
    st.sampled_from([0x1CEC56F4, 0x1CEB56F4]),
    st.integers(0, 0x1FFFFFFF),
)
WELL_FORMED = st.sampled_from(sorted(VALUES))
ACTIONS = st.one_of(
    st.tuples(IDENTIFIERS, st.binary(max_size=8)),
    WELL_FORMED,
    st.sampled_from(["insulation_passed", "output_ready", "reconnect", "finish", "begin"]),
    st.sampled_from(list(StopCause)),
    st.floats(0, 12),
)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["2015", "2023"]),
    st.sampled_from([phase for phase in ALL_ACTIVE if phase is not Phase.TIMED_OUT]),
    st.lists(ACTIONS, max_size=40),
)
def test_no_sequence_of_frames_and_commands_upsets_the_charger(edition: Any, phase: Any, actions: Any) -> None:
    talk = Dialogue(edition).until(phase)
    charger, wait_s = talk.charger, 0.0
    for action in actions:
        now_s = talk.now_s + wait_s
        if isinstance(action, tuple):
            charger.receive(CanFrame(*action), now_s)
        elif isinstance(action, StopCause):
            charger.stop(now_s, action)
        elif isinstance(action, float):
            wait_s += action
        elif action in VALUES:
            talk.say(action)
        else:
            getattr(charger, action)(now_s)
        frames = charger.poll(now_s)
        assert len(frames) < 12
        due = charger.next_due()
        assert (due is None) == (charger.phase in SILENT) or charger.phase is Phase.TIMED_OUT
        assert due is None or due > now_s
        if charger.phase in SILENT:
            assert frames == []
        assert len(charger.events()) <= EVENTS_AT_MOST

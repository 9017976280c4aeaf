"""Vehicles of other editions, transfers that cannot be put together, and stops before the charge."""

from typing import Any

import pytest
from bms_dialogue import STEP_S, VALUES, Dialogue

from drivers.can.frame import CanFrame
from drivers.gbt27930.charger.dialogue import EventKind, Phase, StopCause
from drivers.gbt27930.charger.expectations import PGNS_OF_2024, offered_version, speaks_2011
from drivers.gbt27930.messages.table import MESSAGES, encode

OFFER = CanFrame(0x0C3956F4, bytes.fromhex("0000020000ffffff"))


def send_brm(talk: Dialogue, version: str, length: int = 49) -> None:
    brm = MESSAGES["BRM"]
    payload = encode("BRM", {**VALUES["BRM"], "version": version})[:length]
    talk.vehicle.send(brm.pgn, brm.priority, payload, talk.now_s)
    talk.exchange()


# ------------------------------------------------------------------------------------------------ 2011


@pytest.mark.parametrize("length", [41, 49])
@pytest.mark.parametrize("edition", ["2015", "2023"])
def test_a_vehicle_of_2011_is_recognised_while_its_bhm_is_waited_for(edition: Any, length: int) -> None:
    talk = Dialogue(edition).until(Phase.HANDSHAKE)
    talk.run(2.0)
    send_brm(talk, "1.0", length)
    talk.expect(Phase.ENDED)
    assert talk.kinds() == [EventKind.PROTOCOL_2011]
    frames = len(talk.sent)
    talk.run(12.0)
    assert len(talk.sent) == frames
    assert EventKind.TIMEOUT not in talk.kinds()


def test_other_brms_in_the_handshake_are_out_of_place() -> None:
    talk = Dialogue().until(Phase.HANDSHAKE)
    send_brm(talk, "1.1")
    talk.raw("BRM", b"\x00\x01\x00")
    talk.expect(Phase.HANDSHAKE)
    assert talk.charger.counters["late"] == 2
    assert set(talk.kinds()) == {EventKind.LATE}
    talk.say("BHM")
    send_brm(talk, "1.0")  # it has answered CHM, so it knows the flow of 2015
    talk.expect(Phase.HANDSHAKE)
    assert EventKind.PROTOCOL_2011 not in talk.kinds()


def test_a_vehicle_that_knows_bhm_and_names_the_old_version_is_charged() -> None:
    talk = Dialogue().until(Phase.RECOGNITION)
    send_brm(talk, "1.0", 41)
    talk.expect(Phase.RECOGNISED)


def test_what_speaks_2011() -> None:
    assert speaks_2011(encode("BRM", {**VALUES["BRM"], "version": "1.0"}))
    assert not speaks_2011(encode("BRM", VALUES["BRM"]))
    assert not speaks_2011(b"\x00\x01\x00")


# ------------------------------------------------------------------------------------------------ 2024


@pytest.mark.parametrize("phase", [Phase.HANDSHAKE, Phase.RECOGNITION, Phase.CHARGING])
def test_an_offer_of_a_newer_protocol_is_told_once_and_changes_nothing(phase: Any) -> None:
    talk = Dialogue().until(phase)
    before = len(talk.sent)
    for _ in range(5):
        talk.charger.receive(OFFER, talk.now_s)
        talk.exchange()
    talk.expect(phase)
    assert talk.kinds().count(EventKind.VERSION_NEGOTIATION) == 1
    assert talk.last(EventKind.VERSION_NEGOTIATION).detail == {"version": "2.0.0", "payload": OFFER.data.hex()}
    assert talk.charger.counters["edition_2024"] == 5
    assert talk.charger.counters["unknown"] == 0
    assert not [frame for _, frame in talk.sent[before:] if frame.identifier >> 16 & 0xFF in (0x37, 0x38)]


def test_a_vehicle_of_2024_that_falls_back_is_charged() -> None:
    talk = Dialogue().until(Phase.HANDSHAKE)
    talk.charger.receive(OFFER, talk.now_s)
    talk.until(Phase.CHARGING)
    talk.charger.finish(talk.now_s)
    talk.charger.begin(talk.now_s)
    talk.charger.receive(OFFER, talk.now_s)
    talk.exchange()
    assert talk.kinds().count(EventKind.VERSION_NEGOTIATION) == 2  # once in each session


@pytest.mark.parametrize("pgn", sorted(PGNS_OF_2024))
def test_every_message_of_2024_is_counted_apart(pgn: int) -> None:
    talk = Dialogue().until(Phase.HANDSHAKE)
    talk.charger.receive(CanFrame(0x18000000 | pgn << 8 | 0x56F4, bytes(8)), talk.now_s)
    talk.charger.receive(CanFrame(0x183056F4, bytes(8)), talk.now_s)
    assert (talk.charger.counters["edition_2024"], talk.charger.counters["unknown"]) == (1, 1)


@pytest.mark.parametrize(
    ("payload", "version"), [("0000020000ffffff", "2.0.0"), ("0000010100", "1.1.0"), ("00000200", None), ("", None)]
)
def test_the_version_in_an_offer(payload: str, version: str | None) -> None:
    assert offered_version(bytes.fromhex(payload)) == version


# ------------------------------------------------------------------------------------------------ transfers


def test_a_transfer_that_cannot_be_put_together_is_told_like_an_unusable_message() -> None:
    talk = Dialogue().until(Phase.RECOGNITION)
    inconsistent = CanFrame(0x1CEC56F4, bytes.fromhex("10310006ff000200"))  # 49 bytes in 6 packets
    for _ in range(3):
        talk.charger.receive(inconsistent, talk.now_s)
        talk.exchange()
    refused = talk.last(EventKind.REFUSED)
    assert refused.message == "transfer"
    assert refused.detail["inconsistent_requests"] == 1
    assert talk.kinds().count(EventKind.REFUSED) == 1
    talk.say("BRM")
    talk.expect(Phase.RECOGNISED)


def test_a_control_frame_that_is_too_short_is_told_too_and_every_frame_is_counted() -> None:
    talk = Dialogue().until(Phase.RECOGNITION)
    frames = talk.charger.counters["frames_in"]
    talk.charger.receive(CanFrame(0x1CEC56F4, bytes.fromhex("10310007ff0002")), talk.now_s)
    talk.exchange()
    assert talk.last(EventKind.REFUSED).detail == {"malformed": 1, "inconsistent_requests": 0, "receive_failed": 0}
    assert talk.charger.counters["frames_in"] == frames + 1


# ------------------------------------------------------------------------------------------------ before the charge


@pytest.mark.parametrize("cause", [StopCause.SELF_TEST, StopCause.PRECHARGE, StopCause.PARAMETER_MISMATCH])
@pytest.mark.parametrize("phase", [Phase.HANDSHAKE, Phase.RECOGNISED, Phase.WAIT_READY])
def test_2023_tells_a_stop_before_the_charge_and_takes_silence_for_an_answer(phase: Any, cause: Any) -> None:
    talk = Dialogue("2023").until(phase)
    talk.charger.stop(talk.now_s, cause)
    talk.run(5.0 - STEP_S)
    talk.expect(Phase.STOPPING)
    assert len(talk.payloads("CST")) > 400
    talk.run(2 * STEP_S)
    talk.expect(Phase.ENDED)
    assert EventKind.TIMEOUT not in talk.kinds()
    assert talk.payloads("CEM") == []


def test_2023_goes_on_to_the_statistics_if_the_vehicle_answers() -> None:
    talk = Dialogue("2023").until(Phase.WAIT_READY)
    talk.charger.stop(talk.now_s, StopCause.PRECHARGE)
    talk.say("BST")
    talk.run(9.0)
    talk.say("BSD")
    talk.expect(Phase.ENDING)


def test_a_stop_during_the_charge_still_waits_in_earnest() -> None:
    talk = Dialogue("2023").until(Phase.WAIT_READY)
    talk.charger.output_ready(talk.now_s)
    talk.charger.stop(talk.now_s, StopCause.PRECHARGE)
    talk.run(5.0 + STEP_S)
    talk.expect(Phase.TIMED_OUT)
    assert EventKind.TIMEOUT in talk.kinds()


def test_nothing_may_begin_anew_before_the_self_test() -> None:
    talk = Dialogue().until(Phase.HANDSHAKE)
    talk.say("BEM")
    talk.expect(Phase.TIMED_OUT)
    assert not talk.charger.may_reconnect
    assert not talk.charger.reconnect(talk.now_s)


def test_a_new_dialogue_permits_nothing_until_it_is_told_to() -> None:
    talk = Dialogue().until(Phase.CHARGING)
    talk.charger.set_output(400.0, 80.0, True, 3)
    talk.run(1.1)
    assert talk.charger.may_reconnect
    assert talk.charger.reconnect(talk.now_s)
    for name in ("BRM", "BCP", "BRO"):
        talk.say(name)
    talk.charger.output_ready(talk.now_s)
    talk.say("BCL", "BCS")
    assert talk.payloads("CCS")[-1] == "0000a00f0000fc"

"""Reading a recording: candump lines, single messages, transfers, the plant's file."""

import json
from pathlib import Path

import pytest
from synthetic import transfer

from drivers.gbt27930.messages.table import MESSAGES, identifier_of
from hil_tests.conformance.wire import KINDS, Answer, Frame, Listener, Seen, Stall, read_frames, read_rows, sign_of


def listen(frames: list[Frame]) -> tuple[list[Seen], list[Answer]]:
    listener = Listener()
    return [each for frame in frames for each in listener.take(frame)], listener.answers


def test_the_tester_and_the_agent_have_read_the_same_standard_independently() -> None:
    assert KINDS.keys() == MESSAGES.keys()
    for name, kind in KINDS.items():
        message = MESSAGES[name]
        assert kind.identifier == identifier_of(name)
        assert kind.period_ms == pytest.approx(message.period_s * 1000)
        if kind.length is not None:
            assert kind.length == message.lengths[0]


def test_lines_of_candump_become_frames_and_a_cut_off_line_is_left() -> None:
    lines = ["(1000.250000) can-vehicle 1826F456#010100\n", "(1000.500000) can-vehicle 7FF#00\n", "(1000.75"]
    assert read_frames(lines, 1000.0) == [Frame(0.25, 0x1826F456, bytes.fromhex("010100"))]


@pytest.mark.parametrize("line", ["nonsense\n", "(1.0) can 1826F456 010100\n", "(1.0) can 26F4567#01\n"])
def test_a_line_that_is_none_is_named(line: str) -> None:
    with pytest.raises(ValueError, match="not a line of candump -L"):
        read_frames([line], 0.0)


def test_rows_and_stalls_of_the_plant(tmp_path: Path) -> None:
    path = tmp_path / "x.plant.jsonl"
    lines = [{"t": 1001.0, "k1": True}, {"t": 1002.0, "stall_ms": 12.5}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"t": 10', encoding="ascii")
    rows, stalls = read_rows(path, 1000.0)
    assert [(each.at_s, each.values) for each in rows] == [(1.0, {"k1": True})]
    assert stalls == [Stall(2.0, 0.0125)]


@pytest.mark.parametrize(
    ("name", "payload", "sign"),
    [
        ("CRM", "AA00", "CRM-AA"),
        ("CRO", "00", "CRO-00"),
        ("BRO", "FF", "BRO-FF"),
        ("CCS", "00", "CCS"),
        ("CRM", "", "CRM"),
    ],
)
def test_signs(name: str, payload: str, sign: str) -> None:
    assert sign_of(name, bytes.fromhex(payload)) == sign


def test_single_messages_of_both_sides_and_nothing_foreign() -> None:
    frames = [
        Frame(1.0, 0x1826F456, b"\x01\x01\x00"),
        Frame(1.1, 0x182756F4, b"\xa0\x0f"),
        Frame(1.2, 0x0070F4B5, bytes(8)),
        Frame(1.3, 0x181055F3, bytes(5)),
        Frame(1.4, 0x183156F4, bytes(8)),
    ]
    found, _ = listen(frames)
    assert [(each.name, each.from_charger) for each in found] == [("CHM", True), ("BHM", False)]


def test_another_priority_is_the_same_message_with_its_own_identifier() -> None:
    (found,), _ = listen([Frame(1.0, 0x1026F456, b"\x01\x01\x00")])
    assert found.name == "CHM"
    assert found.identifier == 0x1026F456


def test_a_transfer_is_complete_with_its_last_packet() -> None:
    payload = bytes(range(13))
    (found,), answers = listen(transfer(0x0600, payload, 5.0))
    assert (found.name, found.payload, found.by_transfer) == ("BCP", payload, True)
    assert found.begun_s == 5.0
    assert found.at_s == pytest.approx(5.02)
    assert [(each.kind, each.name) for each in answers] == [("cts", "BCP"), ("end", "BCP")]
    assert answers[0].after_s == pytest.approx(0.004)


def test_a_transfer_nobody_answers_is_no_message() -> None:
    assert listen(transfer(0x0600, bytes(13), 5.0, answered=False)) == ([], [])


def test_a_lost_packet_leaves_the_message_open_and_a_repetition_completes_it() -> None:
    frames = transfer(0x1100, bytes(range(9)), 5.0)
    lost = frames.pop(2)
    assert listen(frames[:3])[0] == []
    assert [each.name for each in listen([*frames[:3], Frame(5.5, lost.identifier, lost.data)])[0]] == ["BCS"]


def test_an_abort_is_an_answer() -> None:
    frames = transfer(0x1500, bytes(20), 1.0)[:1]
    frames.append(Frame(1.003, 0x1CECF456, bytes([255, 2, 255, 255, 255, 0, 0x15, 0])))
    _, answers = listen(frames)
    assert [(each.kind, each.name) for each in answers] == [("abort", "BMV")]


def test_broken_transport_frames_are_left() -> None:
    frames = [
        Frame(1.0, 0x1CEC56F4, b"\x10"),
        Frame(1.1, 0x1CEB56F4, b"\x01" + bytes(7)),
        Frame(1.2, 0x1CECF456, bytes([17, 1, 1, 255, 255, 0x34, 0x12, 0])),
        Frame(1.3, 0x1CEB56F4, b"\x01"),
    ]
    assert listen(frames) == ([], [])

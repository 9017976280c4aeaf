"""pile-agent bms decode and messages: recordings of our own charges in every format, whole and damaged."""

import gzip
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import can
import pytest
from cli_pile import Pile

from agent.cli.bms.document import session_document
from agent.cli.bms.files import ENDINGS
from agent.cli.bms.plot_data import POINTS_AT_MOST, Course, Line
from agent.cli.bms.words import BATTERY_TYPES, FOREIGN, MESSAGES, OUTCOMES, REASONS, STAGES
from agent.cli.screen import width_of
from drivers.can.frame import CanFrame
from drivers.gbt27930.messages.table import BATTERY_TYPES as TYPES
from drivers.gbt27930.messages.table import MESSAGES as TABLE
from drivers.gbt27930.observer.observer import RULES, Observer, Outcome, Stage
from drivers.gbt27930.observer.rules import _FOREIGN as FOREIGN_NAMES
from hil_tests.recordings.scenes import SCENES
from hil_tests.recordings.writers import BEGIN_S, FORMATS, Frames, candump_line, write

ROOT = Path(__file__).parents[2]


@pytest.fixture
def pile(tmp_path: Path) -> Pile:
    return Pile(tmp_path)


@cache
def frames_of(scene: str) -> Frames:
    return SCENES[scene]().frames


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    path = tmp_path / "faulty.log"
    write(path, frames_of("faulty"))
    return path


def decoded(pile: Pile, path: Path, *arguments: str) -> Any:
    result = pile("bms", "decode", str(path), "--json", *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def codes(session: Any, severity: str = "violation") -> list[tuple[str, str]]:
    return [(each["code"], each["message"]) for each in session["observations"] if each["severity"] == severity]


# ---------------------------------------------------------------------------------------------------------- formats


def test_candump_lines_are_those_of_can_utils() -> None:
    frame = CanFrame(0x1826F456, b"\x01\x01\x00")
    assert candump_line(1436509052.249713, frame) == "(1436509052.249713) can0 1826F456#010100\n"
    assert candump_line(1.5, CanFrame(0x123, b"", extended=False), "vcan1") == "(0000000001.500000) vcan1 123#\n"


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("ending", FORMATS)
def test_every_format_tells_the_same(pile: Pile, tmp_path: Path, ending: str, scene: str) -> None:
    frames = frames_of(scene)
    write(tmp_path / f"one.{ending}", frames)
    document = decoded(pile, tmp_path / f"one.{ending}")
    assert document["frames"] == len(frames)
    assert document["damage"] is None
    assert document["begin_unix_s"] == pytest.approx(BEGIN_S, abs=1.0)
    assert document["duration_s"] == pytest.approx(frames[-1][0] - frames[0][0], abs=0.001)
    (session,) = document["sessions"]
    assert session["outcome"] == "complete"
    assert session["stop"]["side"] == ("vehicle" if scene == "good" else "charger")
    expected = {
        "good": [],
        "bus-with-cells": [("period.late", "BCS"), ("period.early", "BCS")],
        "faulty": [
            ("period.late", "CCS"), ("length", "BCL"), ("demand.voltage_bcp", "BCL"), ("demand.current_bcp", "BCL"),
            ("demand.voltage_cml", "BCL"), ("missing", "BCL"),
        ],
    }  # fmt: skip
    assert codes(session) == expected[scene]


@pytest.mark.parametrize("ending", ["log", "asc"])
def test_a_packed_recording(pile: Pile, tmp_path: Path, ending: str) -> None:
    write(tmp_path / f"one.{ending}", frames_of("good"))
    packed = tmp_path / f"one.{ending}.gz"
    packed.write_bytes(gzip.compress((tmp_path / f"one.{ending}").read_bytes()))
    assert decoded(pile, packed)["sessions"][0]["outcome"] == "complete"


def test_a_candump_log_may_have_any_name_and_say_the_direction(pile: Pile, tmp_path: Path) -> None:
    path = tmp_path / "bus.txt"
    lines = [candump_line(at_s, frame).rstrip() + " R\n" for at_s, frame in frames_of("good")]
    path.write_text("".join(lines))
    document = decoded(pile, path)
    assert document["frames"] == len(lines)
    assert document["begin_unix_s"] is None


def test_a_log_of_the_writer_of_python_can(pile: Pile, tmp_path: Path) -> None:
    path = tmp_path / "python-can.log"
    with can.CanutilsLogWriter(path) as writer:
        for at_s, frame in frames_of("good"):
            writer.on_message_received(
                can.Message(timestamp=BEGIN_S + at_s, arbitration_id=frame.identifier, data=frame.data, channel="vcan0")
            )
    assert decoded(pile, path)["sessions"][0]["vin"] == "LDEMX1SHUTTLE0001"


def test_frames_that_are_no_data_frames_are_counted(pile: Pile, tmp_path: Path) -> None:
    path = tmp_path / "one.asc"
    with can.ASCWriter(path) as writer:
        for at_s, frame in frames_of("good")[:50]:
            writer.on_message_received(
                can.Message(timestamp=BEGIN_S + at_s, arbitration_id=frame.identifier, data=frame.data, channel=0)
            )
        writer.on_message_received(can.Message(timestamp=BEGIN_S + 60, is_error_frame=True, channel=0))
        writer.on_message_received(
            can.Message(timestamp=BEGIN_S + 61, arbitration_id=1, is_remote_frame=True, dlc=1, channel=0)
        )
        writer.on_message_received(
            can.Message(timestamp=BEGIN_S + 62, arbitration_id=1, is_fd=True, data=b"1" * 12, channel=0)
        )
    assert decoded(pile, path)["ignored"] == {"error": 1, "remote": 1, "fd": 1}
    assert "frames not decoded: error 1, remote 1, fd 1" in pile("bms", "decode", str(path)).stdout


# ---------------------------------------------------------------------------------------------------------- channels


def two_channels(path: Path, second: Frames) -> None:
    lines = [(at_s, candump_line(at_s, frame, "can0")) for at_s, frame in frames_of("good")]
    lines += [(at_s, candump_line(at_s, frame, "can1")) for at_s, frame in second]
    path.write_text("".join(line for _, line in sorted(lines)))


def test_the_only_channel_with_a_dialogue_is_taken(pile: Pile, tmp_path: Path) -> None:
    path = tmp_path / "two.log"
    two_channels(path, [(1.0, CanFrame(0x18FF0001, b"\x01")), (2.0, CanFrame(0x18FF0001, b"\x01"))])
    document = decoded(pile, path)
    assert document["channel"] == "can0"
    assert document["channels"] == {"can0": len(frames_of("good")), "can1": 2}
    assert document["foreign"] == []
    assert "channel can0" in pile("bms", "decode", str(path)).stdout


def test_one_of_several_channels_is_chosen(pile: Pile, tmp_path: Path) -> None:
    path = tmp_path / "two.log"
    two_channels(path, frames_of("faulty"))
    result = pile("bms", "decode", str(path))
    assert result.exit_code == 2
    assert "select one with --channel; channels (frames): can0 (" in result.stderr
    assert decoded(pile, path, "--channel", "can1")["sessions"][0]["violations"] == 63
    result = pile("bms", "decode", str(path), "--channel", "can7")
    assert result.exit_code == 2
    assert "no channel can7" in result.stderr


# ---------------------------------------------------------------------------------------------------------- damage


def cut(path: Path, share: float) -> None:
    """Cut the file off in the middle of a record: in a text, so many letters after the begin of a line."""
    data = path.read_bytes()
    end = int(len(data) * share)
    if path.suffix != ".blf":
        end = data.index(b"\n", end) + 1 + 25
    path.write_bytes(data[:end])


@pytest.mark.parametrize("ending", ["log", "blf", "trc", "csv"])
def test_a_recording_that_was_cut_off_is_decoded_as_far_as_it_goes(pile: Pile, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"one.{ending}"
    write(path, frames_of("good"))
    cut(path, 0.6)
    result = pile("bms", "decode", str(path))
    assert result.exit_code == 0
    assert str(path) in result.stderr
    document = decoded_with_note(pile, path)
    assert document["damage"]
    assert 1000 < document["frames"] < len(frames_of("good"))
    assert document["sessions"][0]["outcome"] == "cut off"


def decoded_with_note(pile: Pile, path: Path) -> Any:
    return json.loads(pile("bms", "decode", str(path), "--json").stdout)


def test_bad_lines_of_a_candump_log_are_left_out(pile: Pile, faulty: Path) -> None:
    lines = faulty.read_text().splitlines(keepends=True)
    lines[100:100] = ["garbage\n", "(1.0) can0 1826F456#01010\n", "\n", "(1.0) can0 1826F456#0101000000000000000000\n"]
    faulty.write_text("".join(lines))
    document = decoded_with_note(pile, faulty)
    assert document["bad_lines"] == 3
    assert document["damage"] == "line 101: 'garbage'"
    assert document["frames"] == len(frames_of("faulty"))
    assert "3 lines cannot be read" in pile("bms", "decode", str(faulty)).stderr
    assert "3 处不可读" in pile("bms", "decode", str(faulty), lang="zh").stderr


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe" * 2000, b"hello\n" * 10])
def test_a_file_without_frames_is_refused(pile: Pile, tmp_path: Path, ending: str, content: bytes) -> None:
    path = tmp_path / f"bad{ending}"
    path.write_bytes(content)
    result = pile("bms", "decode", str(path))
    assert result.exit_code == 2
    assert str(path) in result.stderr
    assert "Traceback" not in result.output
    assert json.loads(pile("bms", "decode", str(path), "--json").stdout)["error"] == "recording"


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.txt", "hello", "unknown type of recording"),
        ("a.txt", "  can0  1826F456   [3]  01 01 00\n", "record with: candump -L"),
        ("a.log", " (1436509052.249713)  can0  1826F456   [3]  01 01 00\n", "record with: candump -L"),
        ("none.log", None, "file not found"),
    ],
)
def test_another_kind_of_file_is_named(pile: Pile, tmp_path: Path, name: str, content: str | None, text: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    result = pile("bms", "decode", str(path))
    assert result.exit_code == 2
    assert text in result.stderr


def test_a_recording_of_another_bus(pile: Pile, tmp_path: Path) -> None:
    path = tmp_path / "modules.log"
    path.write_text("".join(candump_line(at_s, CanFrame(0x02A3F000, b"\x01" * 8)) for at_s in range(5)))
    result = pile("bms", "decode", str(path))
    assert result.exit_code == 0
    assert "no message of a charger or a vehicle" in result.stdout
    assert "02A3F000  5  unknown" in result.stdout


def test_without_the_tools_it_says_how_to_install_them(
    pile: Pile, faulty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = pile("bms", "decode", str(faulty), "--plot", str(tmp_path / "a.png"))
    assert result.exit_code == 2
    assert 'pip install "pile-agent[tools]"' in result.stderr


def test_the_command_line_alone_loads_neither_of_them() -> None:
    program = "import sys; import agent.cli.app, agent.cli.bms.live; print(*sys.modules, sep='\\n')"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not {"can", "matplotlib", "numpy"} & set(answer.stdout.split())


# ---------------------------------------------------------------------------------------------------------- the text


def test_the_faulty_charge_in_words(pile: Pile, faulty: Path) -> None:
    result = pile("bms", "decode", str(faulty))
    assert result.exit_code == 0
    for part in (
        "faulty.log: 1943 frames, 0:00:38, from 2026-03-19",
        "session 1: complete, 63 violations",
        "LSIMNMC0000000001, ternary, 150 Ah",
        "charger limits  200-750 V, 1-200 A",
        "requested by the charger; CST: stopped by hand; BST: stopped by the charger",
        "CEM: no BCL",
        "recognition (CRM 00), attempt 2",
        "CCS   interval too long",
        "seen 350 ms, expected 50 ms ± 25 ms",
        "worst 900 V, expected ≤ 408 V",
        "expected ≤ 1 s [2015; DN.3006, DN.3008]",
        "18E2F456  1  autocharge",
        "27930.2-2024 version negotiation",
    ):
        assert part in result.stdout, part


def test_the_faulty_charge_in_chinese(pile: Pile, faulty: Path) -> None:
    result = pile("bms", "decode", str(faulty), lang="zh")
    for part in (
        "第 1 次充电：正常结束，63 处违规",
        "三元",
        "由充电机提出",
        "接收BCL超时",
        "第2次连接",
        "需求电压超过BCP",
        "即插即充",
    ):
        assert part in result.stdout, part


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("scene", SCENES)
def test_the_text_is_not_wider_than_a_terminal(pile: Pile, tmp_path: Path, scene: str, lang: str) -> None:
    write(tmp_path / "one.log", frames_of(scene))
    for line in pile("bms", "decode", str(tmp_path / "one.log"), lang=lang).stdout.splitlines():
        assert width_of(line) <= 100, line


def test_every_message_one_a_line(pile: Pile, tmp_path: Path) -> None:
    path = tmp_path / "one.log"
    write(path, frames_of("bus-with-cells"))
    lines = pile("bms", "decode", str(path), "--frames").stdout.splitlines()
    assert "     0.000   CHM charger  version=1.1" in lines
    (brm,) = [line for line in lines if " BRM vehicle " in line]
    assert "vin=LSIMBUS0000000001" in brm
    assert any(" BMV vehicle  cell_voltages_v=[3." in line and line.endswith(",...]") for line in lines)
    assert any("== CHARGING" in line for line in lines)
    assert any("! BCS interval too long: " in line for line in lines)
    assert "session 1: complete, 6 violations" in lines


def test_what_cannot_be_read_is_shown_as_bytes(pile: Pile, faulty: Path) -> None:
    lines = pile("bms", "decode", str(faulty), "--frames").stdout.splitlines()
    assert any(re.search(r"BCL vehicle  \? (\w\w ){3}\w\w$", line) for line in lines)


def test_one_session_of_several(pile: Pile, tmp_path: Path) -> None:
    path = tmp_path / "two.log"
    later = [(at_s + 200, frame) for at_s, frame in frames_of("faulty")]
    write(path, [*frames_of("good"), *later])
    assert [session["vin"] for session in decoded(pile, path)["sessions"]] == ["LDEMX1SHUTTLE0001", "LSIMNMC0000000001"]
    (second,) = decoded(pile, path, "--session", "2")["sessions"]
    assert second["number"] == 2
    assert second["begin_s"] == pytest.approx(200, abs=0.1)
    result = pile("bms", "decode", str(path), "--session", "3")
    assert result.exit_code == 2
    assert "the file has 2 sessions" in result.stderr


def test_frames_and_json_exclude_each_other(pile: Pile, faulty: Path) -> None:
    assert pile("bms", "decode", str(faulty), "--frames", "--json").exit_code == 2


def test_a_recording_from_the_middle_says_so(pile: Pile, tmp_path: Path) -> None:
    path = tmp_path / "middle.log"
    write(path, [pair for pair in frames_of("good") if 20 < pair[0] < 60])
    assert "the recording begins in the middle of the session" in pile("bms", "decode", str(path)).stdout
    (session,) = decoded(pile, path)["sessions"]
    assert (session["from_start"], session["outcome"], codes(session)) == (False, "cut off", [])


# ------------------------------------------------------------------------------------------------------------ tables


def test_every_word_there_is_has_a_translation() -> None:
    assert STAGES.keys() == {stage.value for stage in Stage}
    assert OUTCOMES.keys() == {outcome.value for outcome in Outcome}
    assert MESSAGES.keys() == TABLE.keys()
    assert BATTERY_TYPES.keys() == set(TYPES.values())
    assert set(FOREIGN_NAMES.values()) <= FOREIGN.keys()
    for name in ("BST", "CST", "BEM", "CEM"):
        assert {field.name for field in TABLE[name].fields} <= REASONS.keys()


def test_the_document_tells_every_key_and_every_code(pile: Pile, faulty: Path) -> None:
    text = (ROOT / "docs" / "bms-decode.md").read_text(encoding="utf-8")
    for code, rule in RULES.items():
        assert f"| `{code}` | {rule.severity.value} | {rule.en} | {rule.source} |" in text, code
    document = decoded(pile, faulty)
    keys = {*document, *document["sessions"][0], *document["foreign"][0], *document["sessions"][0]["observations"][0]}
    for key in keys:
        assert f"`{key}`" in text, key


def test_the_message_table(pile: Pile) -> None:
    result = pile("bms", "messages")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 1 + len(TABLE)
    assert "1C1156F4" in result.stdout
    for name in TABLE:
        for lang in ("en", "zh"):
            lines = pile("bms", "messages", name.lower(), lang=lang).stdout
            for field in TABLE[name].fields:
                assert field.name in lines
    assert "(4000 - raw) / 10 A" in pile("bms", "messages", "BCL").stdout
    document = pile.json("bms", "messages", "BCL")
    assert document[0]["fields"][0] == {
        "name": "voltage_v", "title_en": "Voltage demand", "title_zh": "电压需求",
        "spn": 3072, "byte": 1, "bit": 1, "bits": 16, "kind": "number", "per_unit": 10, "zero": 0,
        "direction": 1, "unit": "V", "minimum": 0.0, "maximum": 1500.0, "choices": {}, "optional": False,
    }  # fmt: skip
    assert len(pile.json("bms", "messages")) == len(TABLE)


def test_the_message_table_as_a_can_database(pile: Pile) -> None:
    result = pile("bms", "messages", "--dbc")
    assert result.exit_code == 0
    assert result.stdout == (Path(__file__).parents[2] / "docs" / "gbt27930.dbc").read_text(encoding="utf-8")
    assert pile("bms", "messages", "BCL", "--dbc").exit_code == 2
    states = pile.json("bms", "messages", "BSM")[0]["fields"][5]["choices"]
    assert states["1"] == {"en": "too high", "zh": "过高"}


def test_a_message_that_does_not_exist(pile: Pile) -> None:
    result = pile("bms", "messages", "BCX")
    assert result.exit_code == 2
    assert "unknown message BCX; did you mean" in result.stderr


# ----------------------------------------------------------------------------------------------------------- pictures


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_picture(pile: Pile, faulty: Path, tmp_path: Path, ending: str, lang: str) -> None:
    path = tmp_path / f"course.{ending}"
    result = pile("bms", "decode", str(faulty), "--plot", str(path), lang=lang)
    assert result.exit_code == 0, result.output
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG" if ending == "png" else b"<?xml")
    assert len(data) > 20_000


def test_what_the_picture_shows(faulty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pile: Pile) -> None:
    from matplotlib.figure import Figure

    drawn: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: drawn.append(figure))
    pile("bms", "decode", str(faulty), "--plot", str(tmp_path / "a.svg"))
    bands, volts, amperes, soc = drawn[0].axes
    assert [text.get_text() for text in bands.texts].count("charging") == 2
    marks: Any = bands.lines[0].get_xdata()
    assert len(marks) == 6
    assert [line.get_label() for line in volts.lines] == [
        "charger limit (CML)", "vehicle limit (BCP)", "demand (BCL)", "measured by the vehicle (BCS)",
        "charger output (CCS)",
    ]  # fmt: skip
    assert (volts.get_ylabel(), amperes.get_ylabel(), soc.get_ylabel()) == ("voltage (V)", "current (A)", "SoC (%)")
    assert soc.get_xlabel() == "time since the start of the recording (s)"
    legend = amperes.get_legend()
    assert legend is not None
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels[-1] == "violation (first of its kind)"
    assert "timed out (CEM, BEM)" in labels


def test_a_long_recording_with_pauses_and_two_sessions(pile: Pile, tmp_path: Path) -> None:
    path = tmp_path / "long.log"
    first = [
        (at_s, CanFrame(frame.identifier, frame.data[:6] + b"\xcf") if frame.identifier == 0x181356F4 else frame)
        for at_s, frame in frames_of("good")
        if not 40 <= at_s < 50 or frame.identifier == 0x181356F4
    ]
    write(path, [*first, *((at_s + 900, frame) for at_s, frame in frames_of("good"))])
    result = pile("bms", "decode", str(path), "--plot", str(tmp_path / "a.png"))
    assert result.exit_code == 0
    assert (tmp_path / "a.png").stat().st_size > 20_000


@pytest.mark.parametrize(
    ("name", "text"), [("a.jpg", "use .png or .svg"), ("no/folder/a.png", "folder does not exist")]
)
def test_a_picture_that_cannot_be_drawn(pile: Pile, faulty: Path, tmp_path: Path, name: str, text: str) -> None:
    result = pile("bms", "decode", str(faulty), "--plot", str(tmp_path / name))
    assert result.exit_code == 2
    assert text in result.stderr


def test_a_picture_that_cannot_be_written(pile: Pile, faulty: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to("/proc/version")
    result = pile("bms", "decode", str(faulty), "--plot", str(tmp_path / "a.png"))
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr


def test_without_a_session_nothing_is_drawn(pile: Pile, tmp_path: Path) -> None:
    path = tmp_path / "modules.log"
    path.write_text(candump_line(1.0, CanFrame(0x02A3F000, b"\x01")))
    result = pile("bms", "decode", str(path), "--plot", str(tmp_path / "a.png"))
    assert result.exit_code == 0
    assert "nothing was plotted" in result.stderr


def test_without_a_chinese_font_the_picture_is_english(
    pile: Pile, faulty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.cli.bms.plot._CHINESE_FONTS", ("No Such Font",))
    result = pile("bms", "decode", str(faulty), "--plot", str(tmp_path / "a.png"), lang="zh")
    assert result.exit_code == 0
    assert "没有中文字体" in result.stderr


def test_a_line_of_many_points_stays_bounded() -> None:
    line = Line()
    for number in range(10 * POINTS_AT_MOST):
        line.take(number * 0.05, float(number))
    assert len(line.times_s) <= POINTS_AT_MOST + 1
    assert line.times_s[-1] == pytest.approx(10 * POINTS_AT_MOST * 0.05, abs=2.0)
    times_s, values = line.between(100.0, 200.0)
    assert times_s[0] >= 100.0
    assert times_s[-1] <= 200.0
    assert values == sorted(values)


def test_a_line_is_interrupted_where_nothing_came() -> None:
    line = Line()
    for at_s in (0.0, 1.0, 10.0):
        line.take(at_s, 5.0)
    _, values = line.between(0.0, 20.0)
    assert values[:2] == [5.0, 5.0]
    assert values[2] != values[2]
    assert values[3] == 5.0


def test_a_course_takes_only_what_can_be_drawn() -> None:
    observer, course = Observer(), Course()
    for at_s, frame in frames_of("faulty"):
        observer.receive(frame, at_s)
        for heard in observer.heard:
            course.take(heard)
    assert max(course.lines["demand_v"].values) == 900.0
    assert course.lines["vehicle_limit_a"].values == [140.0, 140.0]
    assert session_document(observer.sessions[0])["outcome"] == "running"

import json
from typing import Any

from hil_tests.demo.platform import Inbox


def record(stream: str, number: int, kind: str = "telemetry", **body: Any) -> bytes:
    return json.dumps({"v": 1, "s": stream, "q": number, "t": 1000 + number, "c": 1, "k": kind, "d": body}).encode()


def test_a_record_that_comes_twice_counts_once() -> None:
    inbox = Inbox()
    assert inbox.take("tele", record("tele", 1))
    assert not inbox.take("tele", record("tele", 1))
    assert inbox.take("alarm", record("alarm", 1))
    assert inbox.counts == {"tele": 1, "alarm": 1}


def test_the_watermark_stops_before_a_gap() -> None:
    inbox = Inbox()
    for number in (1, 2, 4):
        inbox.take("state", record("state", number, "state", state="idle"))
    assert inbox.watermarks() == {"state": 2}
    inbox.take("state", record("state", 3, "state", state="idle"))
    assert inbox.watermarks() == {"state": 4}


def test_states_keep_their_order_and_the_pile_s_time() -> None:
    inbox = Inbox()
    inbox.take("state", record("state", 1, "state", state="plugged"))
    inbox.take("state", record("state", 2, "state", state="locked"))
    assert inbox.states() == [("plugged", 1001), ("locked", 1002)]


def test_the_latest_answer_to_a_command_is_kept() -> None:
    inbox = Inbox()
    for result in ("accepted", "done"):
        inbox.take("rsp", json.dumps({"id": "a", "result": result}).encode())
    assert inbox.replies["a"]["result"] == "done"
    assert inbox.counts == {}


def test_what_is_no_record_is_passed_over() -> None:
    inbox = Inbox()
    assert not inbox.take("birth", b'{"online": true}')
    assert not inbox.take("tele", b"not JSON")
    assert inbox.counts == {}


def test_the_end_of_a_session_is_kept() -> None:
    inbox = Inbox()
    assert inbox.ended() == {}
    inbox.take("session", record("session", 1, "session_ended", energy_wh=926))
    assert inbox.ended() == {"energy_wh": 926}

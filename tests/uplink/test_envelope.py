"""Envelope and topics."""

import json
import socket
import ssl

import msgspec
import pytest

from agent.settings.schema import Uplink
from agent.uplink.envelope import birth, envelope, farewell, response
from agent.uplink.mqtt import explained
from agent.vocabulary.messages import MAXIMUM_BYTES, Topics
from agent.vocabulary.reasons import Reason
from agent.vocabulary.record import LedgerEntry, Record, parsed

_TEXT = '{"amount_e4":12300,"text":"中"}'


def _entry(text: str = _TEXT, session: str | None = "s1") -> LedgerEntry:
    wall_ms = 1_800_000_000_123
    record = Record("b", 7, "session_ended", 1.0, wall_ms, "holdover", 1, session, parsed(text))
    return LedgerEntry(9, "session", 2**40, record, text, b"", b"")


def test_an_envelope_has_the_agreed_keys() -> None:
    assert json.loads(envelope(_entry(), resent=True)) == {
        "v": 1,
        "s": "session",
        "q": 2**40,
        "b": "b",
        "t": 1_800_000_000_123,
        "tq": "holdover",
        "h": 1,
        "c": 1,
        "k": "session_ended",
        "sid": "s1",
        "d": {"amount_e4": 12300, "text": "中"},
    }
    assert "sid" not in json.loads(envelope(_entry(session=None), resent=False))


def test_an_oversized_body_does_not_hold_up_the_stream() -> None:
    fitting = _entry(text=json.dumps({"x": "y" * 60_000}))
    assert json.loads(envelope(fitting, resent=False))["d"]["x"]
    for size in (65_000, 66_000, 1_000_000):
        body = json.dumps({"x": "y" * size})
        message = envelope(_entry(text=body), resent=False)
        assert len(message) <= MAXIMUM_BYTES
    assert json.loads(message)["d"] == {"oversize_bytes": len(body)}
    assert json.loads(envelope(fitting, resent=False, maximum_bytes=1000))["d"] == {"oversize_bytes": len(fitting.text)}


def test_topics() -> None:
    topics = Topics("123456789", "pile-1")
    assert topics.up("tele") == "ev/1/123456789/pile-1/up/tele"
    assert topics.command == "ev/1/123456789/pile-1/down/cmd"
    assert topics.watermark == "ev/1/123456789/pile-1/down/wm"
    assert topics.birth == "ev/1/123456789/pile-1/up/birth"


@pytest.mark.parametrize(
    "wanted",
    [None, "", "other/topic", "ev/1/999999999/x", "ev/1/123456789/#", "ev/1/123456789/+/x", "ev/1/123456789/\0"],
)
def test_answers_stay_in_the_tree_of_the_operator(wanted: str | None) -> None:
    assert Topics("123456789", "pile-1").response_topic(wanted) == "ev/1/123456789/pile-1/up/rsp"


def test_an_answer_goes_where_it_is_wanted() -> None:
    wanted = "ev/1/123456789/desk/answers"
    assert Topics("123456789", "pile-1").response_topic(wanted) == wanted
    assert Topics("123456789", "p").response_topic(wanted + "x" * 300) == "ev/1/123456789/p/up/rsp"


def test_response_birth_and_will() -> None:
    assert json.loads(response("c1", "rejected", [Reason("expired")], session=None, wall_ms=5, boot_id="n")) == {
        "v": 1,
        "id": "c1",
        "result": "rejected",
        "code": "expired",
        "reasons": [{"code": "expired"}],
        "t": 5,
        "b": "n",
    }
    content = json.loads(
        birth(
            boot_id="n",
            ledger_id="l",
            version="1",
            connectors={2: "charger", 1: "monitor"},
            wall_ms=5,
            unacknowledged={"tele": (3, 9)},
            watermarks={"tele": 2},
        )
    )
    assert content["role"] == "monitor"
    assert content["connectors"] == {"1": "monitor", "2": "charger"}
    assert content["unacknowledged"] == {"tele": [3, 9]}
    assert json.loads(farewell(boot_id="n", graceful=False)) == {"v": 1, "online": False, "b": "n", "graceful": False}


def test_code_and_detail_of_a_reason_are_apart() -> None:
    reasons = [Reason("no value", "cc1_voltage_v"), Reason("door_open")]
    content = json.loads(response("c1", "rejected", reasons, session="s", wall_ms=5, boot_id="n"))
    assert content["code"] == "no value: cc1_voltage_v, door_open"
    assert content["reasons"] == [{"code": "no value", "detail": "cc1_voltage_v"}, {"code": "door_open"}]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(-2, "Name or service not known"), "name broker.example is unknown"),
        (ConnectionRefusedError(111, "refused"), "broker.example:8883 refuses connections"),
        (TimeoutError(), "broker.example:8883 does not answer"),
        (FileNotFoundError(2, "x", "/keys/ca.pem"), "certificate or key file is missing (/keys/ca.pem)"),
        (PermissionError(13, "x", "/keys/key.pem"), "certificate or key file may not be read (/keys/key.pem)"),
        (ssl.SSLError(1, "WRONG_VERSION_NUMBER"), "TLS with broker.example:8883 failed"),
        (OSError(113, "No route to host"), "broker.example:8883: No route to host"),
        (ValueError("odd"), "broker.example:8883: odd"),
    ],
)
def test_every_failure_has_words(error: Exception, words: str) -> None:
    assert words in explained(error, msgspec.convert({"host": "broker.example"}, Uplink))

"""Nothing that a sender can write does harm; a stop always passes; a repeated id acts once."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.uplink.commands import Answer, CommandGate, Order, read_watermarks
from agent.vocabulary.reasons import Reason

NOW_MS = 1_800_000_000_000


def _answer(command_id: str, result: str, code: str = "", session: str | None = None) -> Answer:
    return Answer(command_id, result, (Reason(code),) if code else (), session)


def _gate(former: dict[str, Answer] | None = None, connectors: tuple[int, ...] = (1,)) -> CommandGate:
    return CommandGate((former or {}).get, connectors)


def _start(**changes: Any) -> bytes:
    document = {"id": "c1", "name": "start", "c": 1, "args": {"energy_wh": 5000}, "iat": NOW_MS, "exp": NOW_MS + 60_000}
    document.update(changes)
    return json.dumps({key: value for key, value in document.items() if value is not ...}).encode()


def _take(payload: bytes, wall_ms: int = NOW_MS, clock_set: bool = True) -> Order | Answer:
    return _gate().take(payload, wall_ms, clock_set=clock_set)


def _limit(**changes: Any) -> bytes:
    document = {"id": "l1", "name": "limit", "args": {"power_w": 20_000}, "iat": NOW_MS}
    document.update(changes)
    return json.dumps(document).encode()


@pytest.mark.parametrize("clock_set", [True, False])
def test_a_limit_is_of_the_whole_pile_and_passes_without_connector_and_expiry(clock_set: bool) -> None:
    gate = _gate(connectors=(1, 2))
    assert gate.take(_limit(), NOW_MS, clock_set=clock_set) == Order("l1", "limit", 1, 0, {"power_w": 20_000})


@pytest.mark.parametrize(
    ("changes", "clock_set", "code"),
    [
        ({"args": {"off": 1}}, True, "no_expiry"),
        ({"args": {"off": 1}, "exp": NOW_MS}, True, "expired"),
        ({"args": {"off": 1}, "exp": NOW_MS + 60_000}, False, "clock_unset"),
        ({"c": 3}, True, "no_such_connector"),
    ],
)
def test_what_ends_a_limit_gives_more_energy_and_needs_an_expiry(
    changes: dict[str, Any], clock_set: bool, code: str
) -> None:
    answer = _gate(connectors=(1, 2)).take(_limit(**changes), NOW_MS, clock_set=clock_set)
    assert answer == _answer("l1", "rejected", code)


def test_the_end_of_a_limit_with_an_expiry_goes_through() -> None:
    payload = _limit(args={"off": 1}, exp=NOW_MS + 60_000)
    assert _take(payload) == Order("l1", "limit", 1, NOW_MS + 60_000, {"off": 1})


def test_a_start_goes_through() -> None:
    assert _take(_start()) == Order("c1", "start", 1, NOW_MS + 60_000, {"energy_wh": 5000})


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"exp": ...}, "no_expiry"),
        ({"exp": NOW_MS}, "expired"),
        ({"exp": NOW_MS - 1}, "expired"),
        ({"exp": NOW_MS // 1000 + 60}, "expired"),
        ({"exp": NOW_MS + 300_001}, "expiry_too_far"),
        ({"name": "explode"}, "unknown_command"),
        ({"name": ""}, "malformed"),
        ({"name": None}, "malformed"),
        ({"c": 2}, "no_such_connector"),
        ({"c": 0}, "malformed"),
        ({"c": "1"}, "malformed"),
        ({"args": []}, "malformed"),
        ({"args": {"a": {"b": 1}}}, "malformed"),
        ({"args": {"a": 1.5}}, "malformed"),
        ({"args": {"a": True}}, "malformed"),
        ({"args": {str(n): n for n in range(17)}}, "malformed"),
        ({"args": {"user": "x" * 65}}, "malformed"),
        ({"exp": 10**30}, "malformed"),
        ({"exp": -1}, "malformed"),
        ({"iat": "now"}, "malformed"),
        ({"extra": 1}, "malformed"),
        ({"args": {"a": "x" * 3000}}, "malformed"),
    ],
)
def test_what_is_wrong_is_rejected_by_name(changes: dict[str, Any], code: str) -> None:
    assert _take(_start(**changes)) == _answer("c1", "rejected", code)


@pytest.mark.parametrize("identity", ["", "x" * 65, "a b", "a\nb", "中", None, 5, [], {}])
def test_an_id_that_is_none_is_not_repeated_back(identity: Any) -> None:
    assert _take(_start(id=identity)) == _answer("", "rejected", "malformed")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"{}",
        b"\xff\xfe\x00\x01",
        b'{"id":"\xed\xa0\x80"}',
        b'{"id":"\\ud800"}',
        b'{"id":"c1","name":"start","args":{"a":"\xff"}}',
        b"[" * 4096,
        b'{"a":' * 800,
        b'{"id":"c1","x":' + b"[" * 2000 + b"]" * 2000 + b"}",
        b'{"id":1e999}',
        b"\x00" * 4096,
    ],
)
def test_rubbish_is_rejected(payload: bytes) -> None:
    outcome = _take(payload)
    assert isinstance(outcome, Answer)
    assert (outcome.result, outcome.code) == ("rejected", "malformed")
    assert read_watermarks(payload, {}) in (None, {})


def test_size() -> None:
    assert _take(b" " * 4097) == _answer("", "rejected", "too_large")
    assert read_watermarks(b" " * 4097, {}) is None


@given(st.binary(max_size=300))
def test_any_bytes(payload: bytes) -> None:
    outcome = _take(payload)
    assert isinstance(outcome, Answer)
    assert outcome.result == "rejected"
    read_watermarks(payload, {"tele": 5})


_SCALAR = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
_JSON = _SCALAR | st.lists(_SCALAR, max_size=3) | st.dictionaries(st.text(max_size=6), _SCALAR, max_size=3)


@settings(deadline=None)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("id", "name", "c", "args", "iat", "exp"), _JSON)))
def test_any_document(document: dict[str, Any]) -> None:
    outcome = _take(json.dumps(document).encode())
    assert isinstance(outcome, Order | Answer)


def test_a_stop_passes_with_any_clock_and_age() -> None:
    for changes in ({}, {"exp": 5}, {"exp": ...}, {"iat": ...}):
        for clock_set in (True, False):
            outcome = _take(_start(name="stop", args=..., **changes), clock_set=clock_set)
            assert isinstance(outcome, Order)
            assert outcome.name == "stop"


def test_a_start_needs_a_clock() -> None:
    assert _take(_start(), clock_set=False) == _answer("c1", "rejected", "clock_unset")


def test_a_repeated_id_acts_once_and_gets_the_newest_answer() -> None:
    gate = _gate()
    assert isinstance(gate.take(_start(), NOW_MS, clock_set=True), Order)
    assert gate.take(_start(), NOW_MS, clock_set=True) == _answer("c1", "accepted", "in_progress")
    gate.remember(_answer("c1", "accepted", "", "s1"))
    assert gate.take(_start(), NOW_MS, clock_set=True) == _answer("c1", "accepted", "", "s1")
    gate.remember(_answer("c1", "done", "local", "s1"))
    gate.remember(_answer("c1", "accepted", "", "s1"))
    assert gate.take(_start(), NOW_MS + 10**9, clock_set=False) == _answer("c1", "done", "local", "s1")
    # Also with another content: the id counts.
    assert gate.take(_start(name="stop"), NOW_MS, clock_set=True) == _answer("c1", "done", "local", "s1")


@pytest.mark.parametrize("name", ["start", "stop"])
def test_the_connector_may_be_left_out_only_where_there_is_one(name: str) -> None:
    payload = _start(name=name, c=...)
    for number in (1, 3):
        order = _gate(connectors=(number,)).take(payload, NOW_MS, clock_set=True)
        assert isinstance(order, Order)
        assert order.connector == number
    two = _gate(connectors=(1, 2))
    assert two.take(payload, NOW_MS, clock_set=True) == _answer("c1", "rejected", "connector_missing")
    for number in (1, 2):
        order = two.take(_start(id=f"c-{number}", name=name, c=number), NOW_MS, clock_set=True)
        assert isinstance(order, Order)
        assert order.connector == number
    third = two.take(_start(id="c-3", name=name, c=3), NOW_MS, clock_set=True)
    assert third == _answer("c-3", "rejected", "no_such_connector")


def test_a_rejection_is_remembered_too() -> None:
    gate = _gate()
    gate.take(_start(exp=...), NOW_MS, clock_set=True)
    assert gate.take(_start(), NOW_MS, clock_set=True) == _answer("c1", "rejected", "no_expiry")


def test_the_record_knows_older_ids() -> None:
    gate = _gate({"c1": _answer("c1", "rejected", "door_open")})
    assert gate.take(_start(), NOW_MS, clock_set=True) == _answer("c1", "rejected", "door_open")


def test_the_memory_is_bounded() -> None:
    gate = _gate()
    for number in range(1000):
        gate.take(_start(id=f"c{number}"), NOW_MS, clock_set=True)
    assert len(gate._answers) == 256


def test_watermarks() -> None:
    last = {"tele": 10, "alarm": 3}
    assert read_watermarks(b'{"tele":10,"alarm":4,"none":1}', last) == {"tele": 10}
    for payload in (b'{"tele":-1}', b'{"tele":1.5}', b'{"tele":true}', b'{"tele":"1"}', b'{"tele":1e30}', b"[1]"):
        assert read_watermarks(payload, last) is None

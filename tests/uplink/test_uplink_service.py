"""The uplink over a connection that is passed in: no broker, no socket, time in hand."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from agent.uplink.commands import Answer, Order
from agent.uplink.connection import Arrived, Connected, ConnectionEvent, Lost, Taken
from agent.uplink.service import Identity, Uplink
from agent.vocabulary.kinds import STREAMS
from agent.vocabulary.messages import Topics
from agent.vocabulary.reasons import Reason
from agent.vocabulary.record import LedgerEntry, Record, parsed

WALL_MS = 1_800_000_000_000
TOPICS = Topics("op", "p1")


@dataclass
class FakeConnection:
    """Takes messages as long as there is room and plays what the test says."""

    connected: bool = False
    room: int = 1000
    played: list[ConnectionEvent] = field(default_factory=list)
    sent: list[tuple[str, dict[str, Any], bytes | None]] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    subscribed: int = 0
    closed: bool = False

    def next_due(self, now_s: float) -> float:
        return now_s + 1.0

    def turn(self, now_s: float) -> None:
        """Nothing to look after."""

    def events(self) -> list[ConnectionEvent]:
        played, self.played = self.played, []
        return played

    def subscribe(self, now_s: float) -> None:
        self.subscribed += 1

    def publish(self, topic: str, payload: bytes, now_s: float, *, correlation: bytes | None = None) -> int | None:
        if not self.connected or self.room <= 0:
            return None
        self.room -= 1
        self.sent.append((topic, json.loads(payload), correlation))
        return len(self.sent)

    def drop(self, reason: str, now_s: float) -> None:
        self.connected = False
        self.dropped.append(reason)

    def close(self, now_s: float) -> None:
        self.connected, self.closed = False, True

    def topics(self) -> list[str]:
        return [topic.removeprefix("ev/1/op/p1/") for topic, _, _ in self.sent]


@dataclass
class _Cursor:
    acknowledged: int = 0
    watermark: int = 0


class FakeLedger:
    """Records by stream in memory."""

    def __init__(self) -> None:
        self.ledger_id = "ledger-1"
        self.cursors: Mapping[str, _Cursor] = {stream: _Cursor() for stream in STREAMS}
        self.entries: dict[str, list[LedgerEntry]] = {stream: [] for stream in STREAMS}
        self.answers: dict[str, dict[str, Any]] = {}

    @property
    def sequences(self) -> Mapping[str, int]:
        return {stream: len(entries) for stream, entries in self.entries.items()}

    def add(self, stream: str, count: int = 1, text: str = "{}") -> None:
        for _ in range(count):
            seq = len(self.entries[stream]) + 1
            record = Record("boot", seq, stream, 1.0, WALL_MS, "synced", 1, None, parsed(text))
            self.entries[stream].append(LedgerEntry(seq, stream, seq, record, text, b"", b""))

    def after(self, stream: str, seq: int, limit: int) -> Sequence[LedgerEntry]:
        return self.entries[stream][seq : seq + limit]

    def move_cursor(self, stream: str, *, acknowledged: int | None = None, watermark: int | None = None) -> None:
        cursor = self.cursors[stream]
        cursor.acknowledged = max(cursor.acknowledged, acknowledged or 0)
        cursor.watermark = max(cursor.watermark, watermark or 0)

    def command_answer(self, command_id: str) -> dict[str, Any] | None:
        return self.answers.get(command_id)


class Desk:
    """An uplink between a fake ledger and a fake connection."""

    def __init__(self, connectors: Mapping[int, str] | None = None, window: int = 8) -> None:
        self.ledger = FakeLedger()
        self.connection = FakeConnection()
        identity = Identity("north-1", "1.2", TOPICS, connectors or {1: "charger"})
        self.uplink = Uplink(identity, self.connection, self.ledger, window=window)
        self.now_s = 10.0

    def play(self, *events: ConnectionEvent, seconds: float = 0.1) -> None:
        self.now_s += seconds
        self.connection.played += events
        self.uplink.turn(self.now_s, WALL_MS, clock_set=True)

    def connect(self, receive_maximum: int | None = None, maximum_bytes: int | None = None) -> None:
        self.connection.connected = True
        self.play(Connected(receive_maximum, maximum_bytes))

    def take_all(self, since: int = 0) -> None:
        self.play(*(Taken(number, "") for number in range(since + 1, len(self.connection.sent) + 1)))

    def command(self, payload: dict[str, Any] | bytes, **properties: Any) -> None:
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.play(Arrived(TOPICS.command, data, properties.get("to"), properties.get("correlation")))


def start(command_id: str = "c1", **more: Any) -> dict[str, Any]:
    return {"id": command_id, "name": "start", "exp": WALL_MS + 60_000, **more}


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_birth_comes_first_and_says_what_is_still_to_come(desk: Desk) -> None:
    desk.ledger.add("tele", 3)
    desk.connect()
    assert desk.connection.subscribed == 1
    assert desk.connection.topics() == ["up/birth", "up/tele", "up/tele", "up/tele"]
    birth = desk.connection.sent[0][1]
    assert (birth["unacknowledged"], birth["connectors"]) == ({"tele": [1, 3]}, {"1": "charger"})
    assert desk.uplink.state == "connected"


def test_what_the_broker_took_moves_the_cursor_and_is_not_sent_again(desk: Desk) -> None:
    desk.ledger.add("alarm", 2)
    desk.connect()
    assert desk.uplink.pending == 2
    desk.take_all()
    assert (desk.uplink.pending, desk.ledger.cursors["alarm"].acknowledged) == (0, 2)
    sent = len(desk.connection.sent)
    desk.play()
    assert len(desk.connection.sent) == sent


def test_after_a_lost_connection_all_past_the_cursor_is_sent_as_repeated(desk: Desk) -> None:
    desk.ledger.add("tele", 2)
    desk.connect()
    desk.play(Lost("broker gone"))
    assert desk.connection.dropped == ["broker gone"]
    assert desk.uplink.state == "offline: broker gone"
    desk.connection.sent.clear()
    desk.connect()
    assert [message["h"] for topic, message, _ in desk.connection.sent if topic.endswith("/tele")] == [1, 1]


def test_a_broker_that_acknowledges_nothing_is_given_up(desk: Desk) -> None:
    desk.ledger.add("tele")
    desk.connect()
    desk.play(seconds=19.9)
    assert desk.connection.dropped == []
    desk.play(seconds=0.3)
    assert desk.connection.dropped == ["the broker acknowledges nothing"]


def test_a_refused_stream_is_named_until_it_is_taken(desk: Desk) -> None:
    desk.ledger.add("tele")
    desk.ledger.add("alarm")
    desk.connect()
    number = desk.connection.topics().index("up/tele") + 1
    desk.play(Taken(number, "quota exceeded"))
    assert desk.uplink.state == "offline: the broker refuses tele messages: quota exceeded"
    desk.play(Lost("x"))
    desk.connect()
    assert desk.uplink.state.startswith("offline: the broker refuses tele")
    desk.take_all()
    sent = len(desk.connection.sent)
    desk.play(seconds=31.0)
    assert desk.connection.topics()[sent:] == ["up/tele"]
    desk.take_all()
    assert desk.uplink.state == "connected"


def test_the_window_and_the_receive_maximum_bound_what_is_in_flight() -> None:
    desk = Desk(window=8)
    desk.ledger.add("alarm", 50)
    desk.connect(receive_maximum=4)
    assert len(desk.connection.sent) == 4, "birth and three records"
    desk = Desk(window=8)
    desk.ledger.add("alarm", 50)
    desk.connect()
    assert len(desk.connection.sent) == 8


def test_a_connection_without_room_loses_nothing(desk: Desk) -> None:
    desk.connection.room = 2
    desk.ledger.add("alarm", 3)
    desk.connect()
    assert desk.connection.topics() == ["up/birth", "up/alarm"]
    desk.connection.room = 10
    desk.take_all()
    desk.play()
    assert [message["q"] for topic, message, _ in desk.connection.sent if topic.endswith("alarm")] == [1, 2, 3]


def test_a_small_maximum_of_the_broker_replaces_the_body(desk: Desk) -> None:
    desk.ledger.add("tele", text=json.dumps({"state": "x" * 3000}))
    desk.connect(maximum_bytes=2048)
    assert desk.connection.sent[-1][1]["d"] == {"oversize_bytes": 3013}


def test_a_ledger_that_was_replaced_gets_a_new_connection(desk: Desk) -> None:
    desk.connect()
    other = FakeLedger()
    other.add("alarm", 4)
    desk.uplink.rebind(other, desk.now_s)
    assert desk.connection.dropped == ["the record was replaced"]
    assert desk.uplink.pending == 4


# Commands.


def test_a_command_becomes_an_order_and_its_answers_go_where_it_wants(desk: Desk) -> None:
    desk.connect()
    desk.command(start(), to="ev/1/op/desk", correlation=b"7")
    (order,) = desk.uplink.take_orders()
    assert order == Order("c1", "start", 1, WALL_MS + 60_000, {})
    assert desk.uplink.take_orders() == []
    desk.uplink.answer(Answer("c1", "accepted", (), "s1"), desk.now_s, WALL_MS)
    desk.uplink.answer(Answer("c1", "failed", (Reason("door_open"),), "s1"), desk.now_s, WALL_MS)
    answers = [(topic, message["result"], correlation) for topic, message, correlation in desk.connection.sent[1:]]
    assert answers == [("ev/1/op/desk", "accepted", b"7"), ("ev/1/op/desk", "failed", b"7")]
    assert desk.connection.sent[-1][1]["reasons"] == [{"code": "door_open"}]
    desk.uplink.answer(Answer("c1", "done"), desk.now_s, WALL_MS)
    assert desk.connection.sent[-1][0] == TOPICS.response, "after a final answer its place is forgotten"


def test_a_pile_with_two_connectors_wants_to_know_which() -> None:
    desk = Desk({1: "charger", 2: "charger"})
    desk.connect()
    desk.command(start("c1"))
    desk.command(start("c2", c=3))
    desk.command(start("c3", c=2))
    (order,) = desk.uplink.take_orders()
    assert (order.id, order.connector) == ("c3", 2)
    codes = [message["code"] for topic, message, _ in desk.connection.sent if topic == TOPICS.response]
    assert codes == ["connector_missing", "no_such_connector"]


def test_a_repeated_command_waits_for_the_first_answer_and_then_gets_it(desk: Desk) -> None:
    desk.connect()
    desk.command(start(), to="ev/1/op/a")
    desk.command(start(), to="ev/1/op/b")
    assert len(desk.uplink.take_orders()) == 1
    assert desk.connection.sent[-1][1]["code"] == "in_progress"
    desk.uplink.answer(Answer("c1", "rejected", (Reason("door_open"),)), desk.now_s, WALL_MS)
    assert desk.connection.sent[-1][0] == "ev/1/op/b"
    desk.command(start())
    assert desk.connection.sent[-1][1]["code"] == "door_open"


def test_an_answer_of_the_record_counts_after_a_restart(desk: Desk) -> None:
    desk.ledger.answers["c1"] = {"id": "c1", "result": "rejected", "reason": "no value: cc1_voltage_v, state: idle"}
    desk.connect()
    desk.command(start())
    assert desk.uplink.take_orders() == []
    assert desk.connection.sent[-1][1]["reasons"] == [
        {"code": "no value", "detail": "cc1_voltage_v"},
        {"code": "state", "detail": "idle"},
    ]


def test_a_flood_of_commands_is_refused_and_a_flood_of_rubbish_not_even_answered(desk: Desk) -> None:
    desk.connect()
    for number in range(60):
        desk.connection.played.append(Arrived(TOPICS.command, json.dumps(start(f"c{number}")).encode(), None, None))
    desk.play()
    assert len(desk.uplink.take_orders()) == 50
    refused = [message for topic, message, _ in desk.connection.sent if topic == TOPICS.response]
    assert {message["code"] for message in refused} == {"too_many_commands"}
    answered = len(desk.connection.sent)
    for _ in range(30):
        desk.connection.played.append(Arrived(TOPICS.command, b"rubbish", None, None))
    desk.play()
    assert len(desk.connection.sent) == answered, "the refusals before have used up the allowance"


def test_answers_that_the_broker_did_not_take_are_sent_again_and_bounded(desk: Desk) -> None:
    for number in range(100):
        desk.uplink.answer(Answer(f"c{number}", "rejected", (Reason("expired"),)), desk.now_s, WALL_MS)
    desk.connect()
    for _ in range(20):
        desk.take_all()
    ids = [message["id"] for topic, message, _ in desk.connection.sent if topic == TOPICS.response]
    assert ids == [f"c{number}" for number in range(36, 100)]
    desk.uplink.answer(Answer("last", "done"), desk.now_s, WALL_MS)
    desk.play(Lost("x"))
    desk.connection.sent.clear()
    desk.connect()
    assert "last" in [message.get("id") for _, message, _ in desk.connection.sent]


def test_watermarks_are_noted_and_nonsense_is_not(desk: Desk) -> None:
    desk.ledger.add("tele", 5)
    desk.connect()
    for payload in (b'{"tele": 4, "alarm": 9}', b"nonsense", b"nonsense", b"nonsense", b"nonsense"):
        desk.play(Arrived(TOPICS.watermark, payload, None, None))
    assert (desk.ledger.cursors["tele"].watermark, desk.ledger.cursors["alarm"].watermark) == (4, 0)
    desk.play(Arrived("ev/1/op/other", b"{}", None, None))


def test_a_service_that_is_stopped_says_so(desk: Desk) -> None:
    desk.uplink.stop(desk.now_s)
    assert desk.connection.sent == []
    desk.connect()
    desk.uplink.stop(desk.now_s)
    assert desk.connection.sent[-1][1]["graceful"] is True
    assert desk.connection.closed
    assert desk.uplink.next_due(5.0) == 6.0

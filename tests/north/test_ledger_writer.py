"""The ledger writer in virtual time: order, gaps, damage, sessions left open, trouble with the disk."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.link.messages import Acknowledge, Hello, ReadingsMessage
from agent.north import ledger_writer as module
from agent.north.ledger_writer import LedgerWriter
from agent.records.errors import LedgerDamagedError, LedgerError
from agent.records.ledger import FILE_NAME, Ledger
from agent.records.reader import LedgerReader
from agent.vocabulary.record import Record

WALL_MS = 1_800_000_000_000
_TARIFF = {
    "id": "t",
    "version": 1,
    "electricity_e5": {"flat": 60_000},
    "service_e5": {"flat": 30_000},
    "slots": ["flat"] * 48,
    "utc_offset_minutes": 480,
}


class Bench:
    """A ledger writer with a clock in hand."""

    def __init__(self, state: Path, boot_id: str = "north-1", machine_boot: str = "machine-1") -> None:
        self.state = state
        self.writer = LedgerWriter(state, 10 << 20, boot_id, machine_boot)
        self.now_s = 100.0

    def turn(self, seconds: float = 0.0) -> list[Acknowledge]:
        self.now_s += seconds
        return self.writer.turn(self.now_s, WALL_MS + int(self.now_s * 1000))

    def hello(self, boot_id: str = "field-a") -> None:
        self.writer.on_attached()
        self.writer.on_hello(Hello(boot_id, "pile", "1", WALL_MS), self.now_s)

    def record(
        self, number: int, kind: str = "state", body: dict[str, Any] | None = None, session: str | None = None
    ) -> None:
        message = Record("field-a", number, kind, self.now_s, WALL_MS + number * 1000, "synced", 1, session, body or {})
        self.writer.on_record(message)

    def register(self, energy_wh: int) -> None:
        message = ReadingsMessage(self.now_s, WALL_MS, "synced", 1, None, {"meter_energy_wh": energy_wh})
        self.writer.on_readings(message, self.now_s)

    def reason(self) -> str:
        """Why the record is not kept, empty if it is."""
        assert self.writer.ok is not bool(self.writer.reason)
        return self.writer.reason

    def open_session(self) -> str | None:
        """The session that waits to be closed."""
        return self.writer.open_sessions.get(1)

    def proof(self, connector: int = 1) -> str:
        """What the ledger knows of the proof of a meter."""
        known = self.writer.meters.get(connector)
        return "" if known is None else known.proof

    def register_end_wh(self, connector: int = 1) -> int | None:
        """What the ledger knows of the last register of a meter."""
        known = self.writer.meters.get(connector)
        return None if known is None else known.register_end_wh

    def kinds(self) -> list[tuple[str, dict[str, Any]]]:
        with LedgerReader(self.state) as reader:
            assert reader.verify().problems == []
            return [(row["kind"], row["body"]) for row in reversed(reader.records())]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    made.hello()
    made.turn()
    yield made
    made.writer.close()


def test_a_batch_is_one_acknowledgement(bench: Bench) -> None:
    for number in (1, 2, 3):
        bench.record(number)
    assert bench.turn() == [Acknowledge("field-a", 3)]
    assert bench.turn() == []


def test_what_was_known_is_acknowledged_again(bench: Bench) -> None:
    bench.record(1)
    bench.turn()
    bench.hello()
    bench.record(1)
    assert bench.turn() == [Acknowledge("field-a", 1)]
    assert [kind for kind, _ in bench.kinds()] == ["state"]


def test_nothing_past_a_gap_is_acknowledged(bench: Bench) -> None:
    for number in (1, 2, 4, 5):
        bench.record(number)
    assert bench.turn() == [Acknowledge("field-a", 2)]
    assert bench.writer.resend_needed
    bench.hello()
    for number in (3, 4, 5):
        bench.record(number)
    assert bench.turn() == [Acknowledge("field-a", 5)]
    assert len(bench.kinds()) == 5


def test_what_the_field_process_no_longer_holds_is_said(bench: Bench) -> None:
    """The ledger was lost after records had been acknowledged: the field process begins in the middle."""
    for number in (8, 9):
        bench.record(number)
    assert bench.turn() == [Acknowledge("field-a", 9)]
    missing = [body for kind, body in bench.kinds() if kind == "event"]
    assert missing == [{"event": "records_missing", "boot_id": "field-a", "from": 1, "to": 7}]


def test_a_full_disk_keeps_everything_waiting(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Ledger.append

    def full(*_: Any) -> Any:
        raise LedgerError("disk full")

    monkeypatch.setattr(Ledger, "append", full)
    bench.record(1)
    bench.record(2)
    assert bench.turn() == []
    assert bench.reason() == "disk full"
    assert bench.turn(5.0) == []
    assert bench.writer.waiting == 2
    monkeypatch.setattr(Ledger, "append", real)
    assert bench.turn(0.5) == [], "not before the pause is over"
    assert bench.turn(5.0) == [Acknowledge("field-a", 2)]
    assert bench.reason() == ""


def test_what_a_dead_field_process_left_waits_for_the_disk(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> Any:
        raise LedgerError("disk full")

    bench.hello()
    bench.turn()
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "append", full)
        bench.record(1, "event", {"event": "internal_error", "error": "last words"})
        assert bench.turn() == []
        bench.hello("field-b")
        assert bench.turn() == []
    bench.turn(10.0)
    assert ("event", {"event": "internal_error", "error": "last words"}) in bench.kinds()


def test_more_than_can_wait_is_asked_for_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAXIMUM_WAITING", 3)
    for number in range(1, 6):
        bench.record(number)
    assert bench.turn() == [Acknowledge("field-a", 3)]
    assert bench.writer.resend_needed


def test_a_file_damaged_in_service_is_replaced(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.record(1)
    bench.turn()

    def damaged(*_: Any) -> Any:
        raise LedgerDamagedError("file damaged: in this test")

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "append", damaged)
        bench.record(2)
        assert bench.turn() == []
    (bench.state / FILE_NAME).write_bytes(b"x" * 20_000)
    assert bench.reason().startswith("file damaged")
    bench.writer.replaced = False
    assert bench.turn() == [], "record 1 is gone: the field process is asked what it still holds"
    assert bench.writer.resend_needed
    assert bench.writer.replaced
    bench.hello()
    bench.record(2)
    assert bench.turn() == [Acknowledge("field-a", 2)]
    kinds = bench.kinds()
    raised = next(body for kind, body in kinds if kind == "alarm_raised")
    assert raised["fault"] == "record_damaged"
    assert raised["file"].startswith("ledger.damaged-")
    assert (bench.state / raised["file"]).exists()
    assert ("alarm_cleared", {"fault": "record_damaged", "level": 2, "action": "log"}) in kinds


def test_two_ledger_writers_on_one_record(bench: Bench) -> None:
    second = LedgerWriter(bench.state, 10 << 20, "north-2", "machine-1")
    second.turn(100.0, WALL_MS)
    assert "another process" in second.reason
    bench.writer.close()
    second.turn(110.0, WALL_MS)
    assert second.reason == ""
    second.close()


# Sessions left open.


def _open_session(bench: Bench) -> None:
    started = {"register_wh": 1000, "tariff": _TARIFF, "started_wall_ms": WALL_MS + 1000}
    bench.record(1, "session_started", started, "s1")
    bench.record(2, "session_progress", {"register_wh": 1400}, "s1")
    bench.turn()


def _ended(bench: Bench) -> dict[str, Any]:
    with LedgerReader(bench.state) as reader:
        session = reader.session("s1")
    assert session is not None
    assert session["status"] == "closed"
    body: dict[str, Any] = session["ended"]
    return body


def test_the_same_field_process_still_charges(bench: Bench) -> None:
    _open_session(bench)
    bench.hello()
    bench.register(1500)
    bench.turn(60.0)
    assert bench.open_session() is None
    with LedgerReader(bench.state) as reader:
        assert reader.sessions()[0]["status"] == "open"


def test_a_new_field_process_means_that_the_session_is_over(bench: Bench) -> None:
    _open_session(bench)
    bench.writer.on_detached()
    bench.hello("field-b")
    bench.turn(1.0)
    assert bench.open_session() == "s1"
    bench.register(1600)
    bench.turn(1.0)
    assert bench.open_session() is None
    assert bench.writer.session_ended
    ended = _ended(bench)
    assert (ended["energy_wh"], ended["amount_e4"], ended["register_source"]) == (600, 5400, "meter")
    assert ended["stop_reason"] == "control_restarted"
    assert ended["ended_wall_ms"] == WALL_MS + 2000


def test_a_register_from_before_does_not_count(bench: Bench) -> None:
    _open_session(bench)
    bench.register(1450)
    bench.writer.on_detached()
    bench.hello("field-b")
    bench.turn(1.0)
    assert bench.open_session() == "s1"


def test_a_meter_that_stays_silent(bench: Bench) -> None:
    _open_session(bench)
    bench.writer.on_detached()
    bench.hello("field-b")
    bench.turn(29.0)
    assert bench.open_session() == "s1"
    bench.turn(2.0)
    assert bench.open_session() is None
    ended = _ended(bench)
    assert (ended["energy_wh"], ended["register_source"]) == (400, "last_record")


def test_a_register_that_went_back_is_an_event(bench: Bench) -> None:
    _open_session(bench)
    bench.writer.on_detached()
    bench.hello("field-b")
    bench.register(3)
    bench.turn(1.0)
    assert _ended(bench)["energy_wh"] == 400
    assert [body["event"] for kind, body in bench.kinds() if kind == "event"] == ["register_lower"]


def test_after_a_power_cut_it_was_the_power(bench: Bench, tmp_path: Path) -> None:
    _open_session(bench)
    bench.writer.close()
    later = Bench(tmp_path, "north-2", "machine-2")
    later.hello("field-b")
    later.register(1700)
    later.turn()
    assert _ended(later)["stop_reason"] == "power_lost"
    later.writer.close()


def test_a_start_record_that_is_not_understood_is_closed_all_the_same(bench: Bench) -> None:
    bench.record(1, "session_started", {"register_wh": 5}, "s1")
    bench.turn()
    bench.writer.on_detached()
    bench.hello("field-b")
    bench.register(1700)
    bench.turn()
    ended = _ended(bench)
    assert ended["register_source"] == "none"
    assert "tariff" in ended["problem"]


def test_recovery_is_done_once_over_restarts(bench: Bench, tmp_path: Path) -> None:
    _open_session(bench)
    bench.writer.close()
    for boot in ("north-2", "north-3"):
        later = Bench(tmp_path, boot)
        later.hello("field-b")
        later.register(1700)
        later.turn()
        later.writer.close()
    assert [kind for kind, _ in bench.kinds()].count("session_ended") == 1


def test_an_end_that_was_in_the_backlog_needs_no_recovery(bench: Bench) -> None:
    """Only the link broke: the field process is the same and sends the end itself."""
    _open_session(bench)
    bench.writer.on_detached()
    bench.hello()
    bench.record(3, "session_ended", {"energy_wh": 500, "closed_by": "control"}, "s1")
    bench.turn()
    assert _ended(bench)["closed_by"] == "control"


def test_the_last_proof_of_the_meter_s_unit_is_known_at_once_and_after_a_restart(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.hello()
    bench.turn()
    assert bench.proof() == ""
    bench.record(1, "audit", {"audit": "meter_exchanged", "by": "x"})
    bench.turn()
    assert bench.proof() == ""
    for number, proof in ((2, "m/1/1"), (3, "m/2/1")):
        bench.record(number, "audit", {"audit": "meter_unit_proven", "proof": proof})
        bench.turn()
        assert bench.proof() == proof
    bench.writer.close()
    again = Bench(tmp_path, boot_id="north-2")
    again.turn()
    assert again.proof() == "m/2/1"
    again.writer.close()


def test_a_proof_that_cannot_be_read_is_trouble_and_no_proof(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise LedgerError("disk gone")

    monkeypatch.setattr(Ledger, "last_audits", broken)
    bench.record(1, "audit", {"audit": "meter_unit_proven", "proof": "p"})
    bench.turn()
    assert bench.proof() == ""
    assert bench.reason() == "disk gone"


def test_where_the_meter_stood_at_the_end_of_the_last_session(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.hello()
    bench.turn()

    def known_after(number: int, kind: str, body: dict[str, Any], session: str | None = None) -> int | None:
        bench.record(number, kind, body, session)
        bench.turn()
        return bench.register_end_wh()

    assert bench.register_end_wh() is None
    # A refused start has no register of its own.
    refused = {"result": "refused", "register_end_wh": 0}
    assert known_after(1, "session_ended", refused, "s1") is None
    bench.record(2, "session_started", {"register_wh": 10}, "s2")
    assert known_after(3, "session_ended", {"register_end_wh": 500, "register_source": "meter"}, "s2") == 500
    bench.record(4, "session_started", {"register_wh": 10}, "s3")
    assert known_after(5, "session_ended", {"register_end_wh": 0, "register_source": "none"}, "s3") == 500
    exchanged = {"audit": "meter_exchanged", "new": {"register_start_wh": 7}}
    assert known_after(6, "audit", exchanged) == 7
    assert known_after(7, "audit", {"audit": "meter_unit_proven", "proof": "p"}) == 7
    bench.record(8, "session_started", {"register_wh": 7}, "s4")
    assert known_after(9, "session_ended", {"register_end_wh": 90, "register_source": "last_reading"}, "s4") == 90
    bench.writer.close()
    again = Bench(tmp_path, boot_id="north-2")
    again.turn()
    assert again.register_end_wh() == 90
    again.writer.close()


def test_a_session_closed_from_the_record_counts_as_well(bench: Bench) -> None:
    started = {"register_wh": 1000, "tariff": _TARIFF, "started_wall_ms": WALL_MS}
    bench.record(1, "session_started", started, "s1")
    bench.turn()
    bench.hello("field-b")
    bench.register(1300)
    bench.turn()
    assert bench.register_end_wh() == 1300


# Several connectors.


def _two(state: Path, boot_id: str = "north-1") -> Bench:
    bench = Bench(state, boot_id)
    bench.writer = LedgerWriter(state, 10 << 20, boot_id, "machine-1", (1, 2))
    bench.hello()
    bench.turn()
    return bench


def _of(bench: Bench, connector: int, number: int, kind: str, body: dict[str, Any], session: str | None = None) -> None:
    wall_ms = WALL_MS + number * 1000
    bench.writer.on_record(Record("field-a", number, kind, bench.now_s, wall_ms, "synced", connector, session, body))
    bench.turn()


def _shows(bench: Bench, connector: int, energy_wh: int) -> None:
    message = ReadingsMessage(bench.now_s, WALL_MS, "synced", connector, None, {"meter_energy_wh": energy_wh})
    bench.writer.on_readings(message, bench.now_s)


def _started(register_wh: int) -> dict[str, Any]:
    return {"register_wh": register_wh, "tariff": _TARIFF, "started_wall_ms": WALL_MS + 1000}


def test_each_session_is_closed_with_the_register_of_its_own_connector(tmp_path: Path) -> None:
    bench = _two(tmp_path)
    _of(bench, 1, 1, "session_started", _started(1000), "s1")
    _of(bench, 2, 2, "session_started", _started(50_000), "s2")
    bench.writer.on_detached()
    bench.hello("field-b")
    bench.turn(1.0)
    assert bench.writer.open_sessions == {1: "s1", 2: "s2"}
    _shows(bench, 2, 50_400)
    bench.turn(1.0)
    assert bench.writer.open_sessions == {1: "s1"}, "the other meter has not answered yet"
    assert bench.writer.next_due() < float("inf")
    bench.turn(30.0)
    assert bench.writer.open_sessions == {}
    bench.writer.close()
    with LedgerReader(tmp_path) as reader:
        ends = {row["session"]: row for row in reader.records("session_ended")}
    assert {session: row["connector"] for session, row in ends.items()} == {"s1": 1, "s2": 2}
    assert (ends["s2"]["body"]["energy_wh"], ends["s2"]["body"]["register_source"]) == (400, "meter")
    assert (ends["s1"]["body"]["energy_wh"], ends["s1"]["body"]["register_source"]) == (0, "last_record")


def test_proof_and_last_register_belong_to_one_connector(tmp_path: Path) -> None:
    bench = _two(tmp_path)
    _of(bench, 1, 1, "audit", {"audit": "meter_unit_proven", "proof": "first"})
    _of(bench, 2, 2, "session_started", _started(10), "s2")
    _of(bench, 2, 3, "session_ended", {"register_end_wh": 700, "register_source": "meter"}, "s2")
    assert (bench.proof(1), bench.proof(2)) == ("first", "")
    assert (bench.register_end_wh(1), bench.register_end_wh(2)) == (None, 700)
    _of(bench, 2, 4, "audit", {"audit": "meter_unit_proven", "proof": "second"})
    _of(bench, 1, 5, "audit", {"audit": "meter_exchanged", "new": {"register_start_wh": 3}})
    assert (bench.proof(1), bench.proof(2)) == ("first", "second")
    assert (bench.register_end_wh(1), bench.register_end_wh(2)) == (3, 700)
    bench.writer.close()

"""Snapshots are kept as scaled integers, absent values as NULL, within a byte budget."""

import sqlite3
from pathlib import Path
from typing import Any

from record_messages import WALL_MS

from agent.link.messages import ReadingsMessage
from agent.records.readings import FILE_NAME, SCALES, Readings, scaled
from agent.vocabulary.signals import SIGNALS


def _snapshot(second: int, **values: float) -> ReadingsMessage:
    return ReadingsMessage(float(second), WALL_MS + second * 1000, "synced", 1, "s1", dict(values))


def _rows(folder: Path, statement: str) -> list[Any]:
    connection = sqlite3.connect(folder / FILE_NAME)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


def test_every_unit_of_the_catalogue_has_a_scale() -> None:
    assert {signal.unit for signal in SIGNALS.values()} <= set(SCALES)


def test_scaling() -> None:
    assert scaled(400.126, 100) == 40013
    assert scaled(True, 1) == 1
    assert scaled(None, 100) is None
    assert scaled(float("nan"), 100) is None
    assert scaled(float("inf"), 100) is None


def test_absent_is_null_and_the_view_has_units(tmp_path: Path) -> None:
    readings = Readings(tmp_path, 10 << 20, WALL_MS)
    readings.add(_snapshot(1, meter_voltage_v=400.12, meter_energy_wh=123456789012, door_open=False), 1.0)
    readings.close()
    ((voltage, current, door, energy, session),) = _rows(
        tmp_path, "SELECT meter_voltage_v, meter_current_a, door_open, meter_energy_wh, session FROM reading_in_units"
    )
    assert (voltage, current, door, energy, session) == (400.12, None, 0, 123456789012, "s1")


def test_written_together_every_ten_seconds(tmp_path: Path) -> None:
    readings = Readings(tmp_path, 10 << 20, WALL_MS)
    for second in range(10):
        readings.add(_snapshot(second), float(second))
        readings.turn(float(second))
    assert _rows(tmp_path, "SELECT count(*) FROM reading") == [(0,)]
    readings.add(_snapshot(10), 10.0)
    readings.turn(10.0)
    assert _rows(tmp_path, "SELECT count(*) FROM reading") == [(11,)]
    readings.add(_snapshot(11), 11.0)
    readings.flush(11.0)
    assert _rows(tmp_path, "SELECT count(*) FROM reading") == [(12,)]
    readings.close()


def test_unknown_signals_and_foreign_quality_do_no_harm(tmp_path: Path) -> None:
    readings = Readings(tmp_path, 10 << 20, WALL_MS)
    readings.add(ReadingsMessage(1.0, WALL_MS, "strange", 1, None, {"no_such_signal": 1.0, "meter_power_w": 5.0}), 1.0)
    readings.close()
    assert _rows(tmp_path, "SELECT wall_quality, meter_power_w, session FROM reading") == [(0, 5, None)]


def test_the_budget_holds_and_the_newest_survive(tmp_path: Path) -> None:
    budget = 1 << 20
    readings = Readings(tmp_path, budget, WALL_MS)
    second = 0
    largest = 0
    for _ in range(300):
        for _ in range(500):
            second += 1
            readings._waiting.append(_snapshot(second, meter_voltage_v=400.0 + second % 7, meter_energy_wh=second))
        readings.flush(float(second))
        largest = max(largest, readings.used_bytes())
    assert largest < budget * 1.2
    times = [row[0] for row in _rows(tmp_path, "SELECT at_ms / 1000 FROM reading ORDER BY id")]
    assert times[-500:] == list(range(second - 499, second + 1))
    # The oldest that is left has been thinned, and the very oldest is gone.
    assert times[0] > 1
    assert times[20] - times[0] >= 100
    assert (tmp_path / FILE_NAME).stat().st_size < budget * 1.5
    readings.close()


def test_a_damaged_file_is_moved_aside(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"x" * 9000)
    readings = Readings(tmp_path, 10 << 20, WALL_MS)
    assert readings.set_aside == "readings.damaged-20270115T080000.sqlite"
    assert (tmp_path / readings.set_aside).read_bytes() == b"x" * 9000
    readings.add(_snapshot(1), 1.0)
    readings.close()
    assert _rows(tmp_path, "SELECT count(*) FROM reading") == [(1,)]


def test_a_new_signal_becomes_a_new_column(tmp_path: Path) -> None:
    readings = Readings(tmp_path, 10 << 20, WALL_MS)
    readings.add(_snapshot(1, meter_power_w=1.0), 1.0)
    readings.close()
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute("DROP VIEW reading_in_units")
    connection.execute("ALTER TABLE reading DROP COLUMN meter_power_w")
    connection.execute("DELETE FROM signal WHERE name = 'meter_power_w'")
    connection.commit()
    connection.close()
    readings = Readings(tmp_path, 10 << 20, WALL_MS)
    readings.add(_snapshot(2, meter_power_w=2.0), 2.0)
    readings.close()
    assert _rows(tmp_path, "SELECT meter_power_w FROM reading_in_units ORDER BY id") == [(None,), (2,)]


def test_a_file_that_cannot_be_written_costs_only_the_oldest(tmp_path: Path) -> None:
    readings = Readings(tmp_path, 10 << 20, WALL_MS)
    blocker = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    readings._connection.execute("PRAGMA busy_timeout = 1")
    blocker.execute("BEGIN IMMEDIATE")
    for second in range(700):
        readings.add(_snapshot(second), float(second))
    readings.flush(700.0)
    assert readings.dropped == 100
    blocker.execute("ROLLBACK")
    blocker.close()
    readings.flush(701.0)
    readings.close()
    assert _rows(tmp_path, "SELECT count(*), min(at_ms) / 1000 FROM reading") == [(600, 100)]

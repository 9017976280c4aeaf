"""The main loop of the north process in a thread of the test, with the real link, ledger and broker around it.

The tests of the process itself (signals, kills, memory) are in test_north_process.py.
"""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from north_world import World, eventually, now_ms, settings_for, world

from agent.north import process as module
from agent.north.process import NorthProcess
from agent.records.errors import LedgerError
from agent.records.reader import LedgerReader, Verification


class InThread:
    """A north process that runs until the end of the test."""

    def __init__(self, site: World) -> None:
        self.process = NorthProcess(site.settings, version="0.1.0")
        self.failed: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self.process.run()
        except BaseException as error:
            self.failed.append(error)
            raise

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.process.request_stop()
        self._thread.join(10.0)
        assert not self._thread.is_alive()
        assert not self.failed


def _verified(site: World) -> Verification:
    with LedgerReader(Path(site.settings.paths.state)) as reader:
        return reader.verify()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        made.broker.start()
        yield made


@pytest.fixture
def north(site: World) -> Iterator[InThread]:
    made = InThread(site)
    yield made
    if not made.failed and made._thread.is_alive():
        made.stop()


def test_records_are_kept_signed_and_sent_and_the_end_is_clean(site: World, north: InThread) -> None:
    platform = site.platform
    site.field.record("session_started", {"register_wh": 1}, session="s1")
    site.field.record("session_ended", {"energy_wh": 5}, session="s1")
    site.field.record("telemetry", count=20)
    site.field.readings(meter_voltage_v=400.0)
    north.start()
    eventually(site.field.all_kept)
    eventually(lambda: site.field.health and site.field.health[-1].uplink == "connected")
    eventually(lambda: site.field.health[-1].uplink_pending == 0)
    eventually(lambda: platform.numbers("tele") == list(range(1, 21)))
    assert site.field.health[-1].ok
    eventually(lambda: _verified(site).signatures == 1)
    north.stop()
    eventually(lambda: [each for each in platform.of("birth") if not each["online"] and each["graceful"]])
    with LedgerReader(Path(site.settings.paths.state)) as reader:
        assert reader.verify().problems == []
        assert reader.counts()["sessions"] == {"open": 0, "closed": 1}


def test_a_command_goes_down_and_its_answers_go_up(site: World, north: InThread) -> None:
    platform = site.platform
    site.field.answer_with = ("accepted", "done")
    site.field.record("state")
    north.start()
    eventually(lambda: site.field.health and site.field.health[-1].uplink == "connected")
    platform.send("cmd", {"id": "c1", "name": "start", "c": 1, "args": {"energy_wh": 1}, "exp": now_ms() + 30_000})
    eventually(lambda: platform.answers("c1") == [("accepted", ""), ("done", "")])
    (command,) = site.field.commands
    assert (command.id, command.name, command.connector, command.origin) == ("c1", "start", 1, "platform")
    assert command.arguments == {"energy_wh": 1}


def test_a_field_process_that_is_silent_or_absent_is_answered_for(site: World, north: InThread) -> None:
    platform = site.platform
    site.field.answer_with = ()
    site.field.record("state")
    north.start()
    eventually(lambda: site.field.health and site.field.health[-1].uplink == "connected")
    began_s = time.monotonic()
    platform.send("cmd", {"id": "c1", "name": "stop"})
    eventually(lambda: platform.answers("c1") == [("failed", "control_silent")])
    assert 0.8 < time.monotonic() - began_s < 5.0
    site.field.close()
    eventually(lambda: not north.process._field.attached)
    platform.send("cmd", {"id": "c2", "name": "stop"})
    eventually(lambda: platform.answers("c2") == [("rejected", "control_absent")])


def test_a_full_disk_refuses_new_sessions_but_not_the_record(tmp_path: Path) -> None:
    with world(tmp_path, enabled=False) as site:
        north = InThread(site)
        north.process._free_bytes = lambda: 9 << 20  # type: ignore[method-assign]
        site.field.record("state")
        north.start()
        eventually(site.field.all_kept)
        eventually(lambda: site.field.health)
        assert site.field.health[-1].reason == "disk nearly full, 9 MB left"
        assert not site.field.health[-1].ok
        assert site.field.health[-1].uplink == "off"
        site.field.record("session_started", {"register_wh": 1}, session="s1")
        eventually(lambda: site.field.health[-1].ok)
        north.stop()


def test_a_ledger_that_fails_is_opened_again_and_sending_goes_on(site: World, north: InThread) -> None:
    platform = site.platform
    site.field.record("telemetry", count=5)
    north.start()
    eventually(lambda: site.field.health and site.field.health[-1].uplink_pending == 0)
    ledger = north.process._writer.ledger
    assert ledger is not None

    def full(*_: object) -> None:
        raise LedgerError("disk full")

    ledger._write = full  # type: ignore[method-assign, assignment]
    site.field.record("telemetry", count=5)
    eventually(lambda: not site.field.health[-1].ok)
    assert "disk full" in site.field.health[-1].reason
    del ledger._write
    eventually(site.field.all_kept)
    eventually(lambda: platform.numbers("tele")[-1:] == [10])


def test_places_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = NorthProcess(settings_for(tmp_path, 1), version="0")
    assert process._free_bytes() == 0, "a folder that is not there has no room"
    assert module.machine_boot_id()

    def nothing(*_: object, **__: object) -> str:
        raise FileNotFoundError(2, "no such file")

    monkeypatch.setattr(Path, "read_text", nothing)
    assert module.machine_boot_id() == ""
    process._end()

"""The north process with the real link, the real ledger and a real broker."""

import signal
import sqlite3
import time
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from north_world import UP, World, eventually, now_ms, world
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from agent.records.ledger import Ledger
from agent.records.reader import LedgerReader

_TARIFF = {
    "id": "t",
    "version": 1,
    "electricity_e5": {"flat": 60_000},
    "service_e5": {"flat": 30_000},
    "slots": ["flat"] * 48,
    "utc_offset_minutes": 480,
}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def _verify(site: World) -> Any:
    with LedgerReader(site.north.state) as reader:
        result = reader.verify()
        assert result.problems == []
        return reader.counts()


def _last(site: World, stream: str) -> int:
    eventually(site.field.all_kept)
    with LedgerReader(site.north.state) as reader:
        return int(reader.counts()["streams"][stream]["last"])


def _in_order(site: World, stream: str) -> None:
    """Each number came, in order; what came again came in order too and says so."""
    messages = site.platform.of(stream)
    first: dict[int, int] = {}
    for place, message in enumerate(messages):
        if message["q"] in first:
            assert message["h"] == 1
        first.setdefault(message["q"], place)
    assert sorted(first) == list(range(1, max(first) + 1))
    assert all(first[a] < first[b] for a, b in pairwise(sorted(first)))


def test_records_are_kept_acknowledged_and_published(site: World) -> None:
    site.broker.start()
    platform = site.platform
    site.north.start()
    site.field.record("state", {"state": "idle", "previous": "faulted", "reasons": []})
    eventually(site.field.all_kept)
    eventually(lambda: platform.numbers("state") == [1])
    site.field.record("alarm_raised", {"fault": "door_open", "level": 1})
    eventually(lambda: platform.of("alarm"))
    (message,) = platform.of("alarm")
    assert {key: message[key] for key in ("v", "s", "q", "b", "tq", "h", "c", "k", "d")} == {
        "v": 1,
        "s": "alarm",
        "q": 1,
        "b": "field-a",
        "tq": "synced",
        "h": 0,
        "c": 1,
        "k": "alarm_raised",
        "d": {"fault": "door_open", "level": 1},
    }
    assert "sid" not in message
    health = eventually(lambda: [h for h in site.field.health if h.uplink == "connected" and h.uplink_pending == 0])
    assert health[-1].ok
    assert health[-1].free_bytes > 0
    births = platform.of("birth")
    assert births[0]["online"] is True
    assert births[0]["versions"] == {"agent": "0.1.0", "scheme": 1}
    assert births[0]["role"] == "charger"
    assert site.north.stop() == 0
    eventually(lambda: platform.of("birth")[-1].get("graceful") is True)
    assert _verify(site)["records"]["state"] == 1


def test_nobody_there_is_no_reason_to_end(site: World) -> None:
    site.north.start()
    eventually(lambda: "uplink offline" in site.north.log())
    time.sleep(1.0)
    assert site.north.running()
    log = site.north.log()
    assert log.count("the field process is not there") == 1
    assert log.count("uplink offline") == 1
    assert "refuses connections" in log
    assert "Traceback" not in log
    site.field.record("state")
    eventually(site.field.all_kept)
    assert site.north.stop(signal.SIGINT) == 0


def test_the_network_is_cut_in_full_flight_again_and_again(tmp_path: Path) -> None:
    with world(tmp_path, relayed=True) as site:
        site.broker.start()
        _ = site.platform
        site.relay.start()
        site.north.start()
        for cut in range(4):
            seen = len(site.platform.numbers("tele"))
            site.field.record("telemetry", count=400)
            site.field.record("alarm_raised", count=2)
            if cut < 3:
                eventually(partial(_came, site, seen + 20))
                site.relay.cut()
                eventually(lambda: site.field.health[-1].uplink.startswith("offline: "))
                site.relay.start()
        eventually(lambda: set(site.platform.numbers("tele")) == set(range(1, 1601)))
        eventually(lambda: set(site.platform.numbers("alarm")) == set(range(1, 9)))
        eventually(lambda: site.field.health[-1].uplink_pending == 0)
        _in_order(site, "tele")
        _in_order(site, "alarm")
        assert "Traceback" not in site.north.log()


def _came(site: World, count: int) -> bool:
    return len(site.platform.numbers("tele")) > count


_PERSISTENT = "persistence true\nautosave_on_changes true\nautosave_interval 1\npersistence_location {}/\n"


def test_the_broker_dies_and_comes_back_again_and_again(tmp_path: Path) -> None:
    with world(tmp_path, _PERSISTENT.format(tmp_path)) as site:
        _broker_dies(site)


def _broker_dies(site: World) -> None:
    site.broker.start()
    _ = site.platform
    site.north.start()
    for round_number in range(3):
        site.field.record("telemetry", count=150)
        site.field.record("alarm_raised", count=3)
        if round_number < 2:
            # What a broker has acknowledged and then forgets, no pile can know; so it dies when it has passed all on.
            eventually(lambda: sorted(set(site.platform.numbers("tele")))[-1:] == [_last(site, "tele")])
            eventually(lambda: sorted(set(site.platform.numbers("alarm")))[-1:] == [_last(site, "alarm")])
            site.broker.kill()
            site.field.record("telemetry", count=100)
            eventually(site.field.all_kept)
            eventually(lambda: site.field.health[-1].uplink.startswith("offline: "))
            site.broker.start()
    total = site.field.last_number
    eventually(lambda: len(set(site.platform.numbers("tele")) | {-q for q in site.platform.numbers("alarm")}) == total)
    eventually(lambda: site.field.health[-1].uplink_pending == 0)
    for stream in ("tele", "alarm"):
        _in_order(site, stream)
    counts = _verify(site)["streams"]
    eventually(lambda: _verify(site)["streams"]["tele"]["acknowledged"] == counts["tele"]["last"])
    log = site.north.log()
    assert "Traceback" not in log
    assert log.count("INFO:agent.uplink.service:uplink connected") == 3


def test_a_broker_that_hangs_is_noticed_by_keep_alive(site: World) -> None:
    site.broker.start()
    _ = site.platform
    site.north.start()
    site.field.record("state")
    eventually(lambda: site.platform.numbers("state") == [1])
    site.broker.freeze(True)
    site.field.record("state")
    eventually(site.field.all_kept)
    eventually(lambda: site.field.health[-1].uplink.startswith("offline: "), 30.0)
    site.broker.freeze(False)
    eventually(lambda: 2 in site.platform.numbers("state"))
    _in_order(site, "state")


def test_a_small_receive_maximum_is_respected(tmp_path: Path) -> None:
    with world(tmp_path, "max_inflight_messages 3\n", window=100) as site:
        site.broker.start()
        platform = site.platform
        site.field.record("telemetry", count=300)
        site.north.start()
        eventually(lambda: len(platform.numbers("tele")) >= 300)
        assert platform.numbers("tele") == list(range(1, 301))
        assert site.north.log().count("uplink offline") == 0


def test_refused_topics_are_said_and_nothing_is_skipped(tmp_path: Path) -> None:
    rules = tmp_path / "acl"
    rules.write_text(f"topic readwrite ev/1/#\ntopic deny {UP}alarm\n")
    with world(tmp_path, f"acl_file {rules}\n") as site:
        site.broker.start()
        platform = site.platform
        site.north.start()
        site.field.record("alarm_raised")
        site.field.record("state")
        eventually(lambda: platform.numbers("state") == [1])
        eventually(lambda: "refuses alarm" in site.field.health[-1].uplink)
        assert site.field.health[-1].uplink_pending == 1
        assert platform.of("alarm") == []


@pytest.mark.parametrize("killed_after", [0, 1, 40])
def test_the_north_process_is_killed_and_nothing_acknowledged_is_lost(site: World, killed_after: int) -> None:
    site.broker.start()
    platform = site.platform
    site.north.start()
    site.field.record("state", count=20)
    eventually(lambda: site.field.acknowledged >= min(killed_after, 20))
    site.field.record("telemetry", count=50)
    site.north.kill()
    acknowledged = site.field.acknowledged
    site.north.start()
    eventually(site.field.all_kept)
    eventually(lambda: set(platform.numbers("tele")) == set(range(1, 51)))
    _in_order(site, "state")
    _in_order(site, "tele")
    counts = _verify(site)
    assert counts["records"] == {"state": 20, "telemetry": 50}
    assert acknowledged <= 70


def test_what_arrived_before_the_end_is_kept(site: World) -> None:
    site.north.start()
    eventually(lambda: site.field.attached and site.field.health)
    site.field.record("telemetry", count=2000)
    assert site.north.stop() == 0
    assert not (site.north.state / "ledger.sqlite-wal").exists()
    with LedgerReader(site.north.state) as reader:
        kept = reader.counts()["records"].get("telemetry", 0)
    assert kept >= site.field.acknowledged


def test_readings_reach_their_file(site: World) -> None:
    site.north.start()
    eventually(lambda: site.field.attached and site.field.health)
    site.field.readings(meter_voltage_v=400.5, meter_energy_wh=1234)
    site.field.record("session_ended", {"result": "refused"}, session="s1")
    eventually(site.field.all_kept)
    connection = sqlite3.connect(site.north.state / "readings.sqlite")
    rows = connection.execute("SELECT meter_voltage_v, meter_energy_wh, meter_power_w FROM reading_in_units").fetchall()
    connection.close()
    assert rows == [(400.5, 1234, None)]


def test_sessions_are_signed_and_the_signature_goes_up(site: World) -> None:
    site.broker.start()
    platform = site.platform
    site.north.start()
    site.field.record("session_started", {"register_wh": 5}, session="s1")
    site.field.record("session_ended", {"result": "failed"}, session="s1")
    signed = eventually(lambda: [m for m in platform.of("session") if m["k"] == "session_signed"])
    with LedgerReader(site.north.state) as reader:
        result = reader.verify(bytes.fromhex(signed[0]["d"]["public_key"]))
        ended = reader.records("session_ended")[0]
    assert (result.signatures, result.problems) == (1, [])
    assert signed[0]["d"]["hash"] == ended["hash"]
    assert signed[0]["sid"] == "s1"
    assert site.north.rss_kb() < 40_000


def test_a_session_left_open_is_closed_from_the_meter(site: World) -> None:
    site.north.start()
    started = {"origin": "local", "command_id": "c", "register_wh": 1000, "tariff": _TARIFF}
    site.field.record("session_started", {**started, "started_wall_ms": now_ms()}, session="s1")
    site.field.record("session_progress", {"register_wh": 1500}, session="s1")
    eventually(site.field.all_kept)
    site.north.kill()
    site.north.start()
    eventually(lambda: site.field.health[-5:] and site.field.attached)
    time.sleep(1.0)
    with LedgerReader(site.north.state) as reader:
        assert reader.sessions()[0]["status"] == "open", "the same field process still charges"
    field = site.new_field("field-b")
    eventually(lambda: field.health and field.health[-1].open_sessions == {1: "s1"})
    field.readings(meter_energy_wh=1600)
    eventually(lambda: field.health[-1].open_sessions == {})
    with LedgerReader(site.north.state) as reader:
        session = reader.session("s1")
        assert reader.verify().problems == []
    assert session is not None
    ended = session["ended"]
    assert (ended["energy_wh"], ended["amount_e4"], ended["register_source"]) == (600, 5400, "meter")
    assert (ended["closed_by"], ended["stop_reason"]) == ("recovery", "control_restarted")


# Commands.


def test_start_and_stop_reach_the_field_and_answers_come_back(site: World) -> None:
    site.broker.start()
    platform = site.platform
    site.north.start()
    field = site.field
    eventually(lambda: field.attached)
    field.readings(meter_voltage_v=1.0)
    eventually(lambda: platform.of("birth"))
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho has no types here
    properties.CorrelationData = b"abc"
    expiry = now_ms() + 30_000
    eventually(lambda: field.health and field.health[-1].uplink == "connected")
    start = {"id": "c1", "name": "start", "c": 1, "args": {"energy_wh": 5000}, "iat": now_ms(), "exp": expiry}
    platform.send("cmd", start, properties)
    eventually(lambda: platform.answers("c1") == [("accepted", "")])
    (command,) = field.commands
    assert (command.name, command.arguments, command.origin) == ("start", {"energy_wh": 5000}, "platform")
    assert command.expires_wall_ms == expiry
    place = next(i for i, (topic, _) in enumerate(platform.messages) if topic == f"{UP}rsp")
    assert platform.correlations[place] == b"abc"
    field.send(_reply("c1", "done"))
    eventually(lambda: platform.answers("c1")[-1] == ("done", ""))
    platform.send("cmd", start)
    eventually(lambda: len(platform.answers("c1")) == 3)
    assert platform.answers("c1")[-1] == ("done", "")
    platform.send("cmd", {"id": "c2", "name": "stop"})
    eventually(lambda: platform.answers("c2") == [("accepted", "")])
    assert [command.name for command in field.commands] == ["start", "stop"]


def _reply(command_id: str, result: str) -> Any:
    from agent.link.messages import CommandReply

    return CommandReply(command_id, result)


def test_a_repeated_id_is_known_over_restarts(site: World) -> None:
    site.broker.start()
    platform = site.platform
    state = Path(site.settings.paths.state)
    ledger = Ledger(state, now_ms())
    ledger.close()
    site.north.start()
    site.field.record("command", {"id": "c9", "name": "start", "result": "rejected", "reason": "door_open"})
    eventually(site.field.all_kept)
    site.north.kill()
    site.north.start()
    eventually(lambda: site.field.attached and site.field.health[-1].uplink == "connected")
    platform.send("cmd", {"id": "c9", "name": "start", "exp": now_ms() + 30_000})
    eventually(lambda: platform.answers("c9") == [("rejected", "door_open")])
    assert site.field.commands == []


def test_without_the_field_process_commands_are_answered(site: World) -> None:
    site.broker.start()
    platform = site.platform
    site.north.start()
    eventually(lambda: platform.of("birth"))
    time.sleep(0.2)
    platform.send("cmd", {"id": "c1", "name": "stop"})
    eventually(lambda: platform.answers("c1") == [("rejected", "control_absent")])


def test_a_silent_field_process_is_told_within_a_second(site: World) -> None:
    site.broker.start()
    platform = site.platform
    site.north.start()
    site.field.answer_with = ()
    eventually(lambda: site.field.health and site.field.health[-1].uplink == "connected")
    platform.send("cmd", {"id": "c1", "name": "stop"})
    eventually(lambda: platform.answers("c1") == [("failed", "control_silent")])
    site.field.send(_reply("c1", "done"))
    eventually(lambda: platform.answers("c1")[-1] == ("done", ""))


def test_hostile_payloads_do_no_harm(site: World) -> None:
    site.broker.start()
    platform = site.platform
    site.north.start()
    eventually(lambda: site.field.health and site.field.health[-1].uplink == "connected")
    for payload in (b"", b"\xff\xfe\x00", b"{", b"[" * 4000, b"x" * 60_000, b'{"id":"h1","name":5}', b"null"):
        platform.send("cmd", payload)
        platform.send("wm", payload)
    platform.send("wm", {"tele": -1})
    platform.send("wm", {"tele": 10**30})
    for _ in range(200):
        platform.send("cmd", b"{}")
    platform.send("cmd", {"id": "good", "name": "stop"})
    eventually(lambda: platform.answers("good") == [("accepted", "")])
    assert ("rejected", "malformed") in platform.answers("h1")
    assert len(platform.of("rsp")) < 20, "answers to rubbish are limited"
    log = site.north.log()
    assert "Traceback" not in log
    assert log.count("\n") < 60
    assert [command.id for command in site.field.commands] == ["good"]


def test_watermarks_are_kept(site: World) -> None:
    site.broker.start()
    platform = site.platform
    site.north.start()
    site.field.record("telemetry", count=10)
    eventually(lambda: len(platform.numbers("tele")) == 10)
    platform.send("wm", {"tele": 7, "nonsense": 3, "alarm": 55})
    eventually(lambda: _verify(site)["streams"]["tele"]["watermark"] == 7)
    assert _verify(site)["streams"]["alarm"]["watermark"] == 0


# The notify socket of systemd.


def test_systemd_hears_of_progress(site: World, tmp_path: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(tmp_path / "notify"))
        notify.settimeout(10.0)
        site.north.start(NOTIFY_SOCKET=str(tmp_path / "notify"))
        heard = {notify.recv(100) for _ in range(4)}
        assert {b"READY=1", b"WATCHDOG=1"} <= heard
        assert site.north.stop() == 0
        while b"STOPPING=1" not in heard:
            heard.add(notify.recv(100))

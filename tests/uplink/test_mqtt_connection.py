"""The MQTT connection against a broker that does what a test wants: the socket is real, the time is the test's."""

import logging
import socket
import ssl
import time
from pathlib import Path

import pytest
from certificates import certificate, write
from fake_broker import (
    MAXIMUM_QOS_0,
    TOPICS,
    Bench,
    connack,
    length,
    maximum_packet_size,
    packet,
    puback,
    published,
    receive_maximum,
    text,
)
from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode

from agent.settings.schema import Uplink
from agent.uplink import mqtt
from agent.uplink.connection import Arrived, Connected, Lost, Taken
from agent.uplink.envelope import farewell


def _lost(bench: Bench) -> list[str]:
    return [event.reason for event in bench.happened if isinstance(event, Lost)]


def _taken(bench: Bench) -> list[Taken]:
    return [event for event in bench.happened if isinstance(event, Taken)]


def _arrived(bench: Bench) -> list[Arrived]:
    return [event for event in bench.happened if isinstance(event, Arrived)]


# Connecting.


def test_what_the_pile_says_when_it_connects() -> None:
    with Bench(keep_alive_s=60) as bench:
        bench.accept()
        ((first, content),) = bench.packets()
        assert first == 0x10
        assert content.startswith(text("MQTT") + b"\x05")
        flags, keep_alive = content[7], int.from_bytes(content[8:10], "big")
        assert flags == 0b0000_1100, "a will with QoS 1, not retained; no clean start, no user name"
        assert keep_alive == 60
        assert b"\x11" + (3600).to_bytes(4, "big") in content, "commands wait an hour at the broker"
        assert b"\x18" + (30).to_bytes(4, "big") in content, "the will waits half a minute"
        assert b"\x21" + (20).to_bytes(2, "big") in content
        assert b"\x27" + (65536).to_bytes(4, "big") in content
        assert text("pile-1") in content
        assert content.endswith(text(TOPICS.birth) + text(farewell(boot_id="boot-a", graceful=False)))


def test_what_the_broker_allows_is_handed_on() -> None:
    with Bench() as bench:
        assert not bench.connection.connected
        bench.open(receive_maximum(10) + maximum_packet_size(1000))
        assert bench.happened == [Connected(10, 1000)]


def test_a_broker_that_sets_no_limits() -> None:
    with Bench() as bench:
        bench.open()
        assert bench.happened == [Connected(None, None)]


def test_nothing_listens_there() -> None:
    with Bench() as bench:
        bench.close_listener()
        bench.until(lambda: _lost(bench))
        assert _lost(bench) == [f"127.0.0.1:{bench.port} refuses connections"]
        assert not bench.connection.connected


def test_the_pause_grows_to_a_minute_and_the_thread_is_looked_after_meanwhile() -> None:
    with Bench(draw=1.0) as bench:
        bench.close_listener()
        pauses = []
        for count in range(1, 9):
            bench.turn()
            if not bench.happened:
                assert bench.connection.next_due(bench.now_s) == pytest.approx(bench.now_s + 0.1)
            bench.until(lambda count=count: len(_lost(bench)) == count)  # type: ignore[misc]
            due_s = bench.connection.next_due(bench.now_s)
            pauses.append(due_s - bench.now_s)
            bench.now_s = due_s - 0.001
            for _ in range(3):
                bench.turn()
            assert len(_lost(bench)) == count, "not before its time"
            bench.now_s = due_s
        assert pauses == pytest.approx([2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0])


def test_a_connection_that_lasts_half_a_minute_makes_the_next_pause_short_again() -> None:
    for lasts_s, pause_s in ((29.0, 8.0), (31.0, 2.0)):
        with Bench(draw=1.0) as bench:
            for _ in range(2):
                bench.accept()
                bench.until(lambda bench=bench: bench.selector.get_map())  # type: ignore[misc]
                bench.connection.drop("tried", bench.now_s)
                bench.hang_up()
                bench.now_s = bench.connection.next_due(bench.now_s)
            bench.open()
            bench.now_s += lasts_s
            bench.turn()
            bench.connection.drop("enough", bench.now_s)
            assert bench.connection.next_due(bench.now_s) - bench.now_s == pytest.approx(pause_s)


def test_a_broker_that_never_answers_is_given_up_after_fifteen_seconds() -> None:
    with Bench() as bench:
        bench.accept()
        bench.until(lambda: bench.connection.next_due(bench.now_s) == bench.now_s + 1.0)
        bench.now_s += 14.9
        bench.turn()
        assert not bench.happened
        assert bench.connection.next_due(bench.now_s) == pytest.approx(1015.0)
        bench.now_s += 0.2
        bench.turn()
        assert _lost(bench) == ["the broker does not complete the handshake"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (connack(0x87), "the broker refuses this pile: Not authorized"),
        (connack(0x85), "the broker refuses this pile: Client identifier not valid"),
        (connack(properties=MAXIMUM_QOS_0), "the broker does not acknowledge messages (maximum QoS 0)"),
    ],
)
def test_a_broker_that_refuses_the_pile(answer: bytes, reason: str) -> None:
    with Bench() as bench:
        bench.accept()
        bench.say(answer)
        bench.until(lambda: _lost(bench))
        assert _lost(bench)[0] == reason
        assert not bench.connection.connected


def test_an_attempt_that_fails_within_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Client, "reconnect", lambda _: MQTTErrorCode.MQTT_ERR_NOMEM)
    with Bench() as bench:
        bench.until(lambda: _lost(bench))
        assert _lost(bench)[0].startswith(f"127.0.0.1:{bench.port}: ")


def test_a_thread_that_ends_without_an_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt.MqttConnection, "_connect", lambda _: None)
    with Bench() as bench:
        bench.until(lambda: _lost(bench))
        assert _lost(bench) == [f"127.0.0.1:{bench.port}: the attempt ended early"]


_SETTINGS = Uplink(host="broker", port=8883)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(-2, "x"), "name broker is unknown"),
        (ConnectionRefusedError(), "broker:8883 refuses connections"),
        (ssl.SSLError(1, "odd"), "TLS with broker:8883 failed: "),
        (ConnectionResetError(), "broker:8883 drops the connection: check uplink.port and uplink.tls"),
        (TimeoutError(), "broker:8883 does not answer"),
        (FileNotFoundError(2, "x", "ca.pem"), "certificate or key file is missing (ca.pem)"),
        (FileNotFoundError(), "certificate or key file is missing (see uplink.ca_file)"),
        (PermissionError(13, "x", "k.pem"), "certificate or key file may not be read (k.pem)"),
        (PermissionError(), "certificate or key file may not be read (see uplink.key_file)"),
        (OSError(113, "No route to host"), "broker:8883: No route to host"),
        (ValueError("odd"), "broker:8883: odd"),
    ],
)
def test_every_failure_has_words(error: Exception, words: str) -> None:
    assert mqtt.explained(error, _SETTINGS).startswith(words)


# TLS.


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, its broker at 127.0.0.1, its broker elsewhere."""
    folder = tmp_path_factory.mktemp("tls")
    authority = certificate("authority")
    write(folder, "ca", authority)
    write(folder, "broker", certificate("broker", authority))
    write(folder, "elsewhere", certificate("elsewhere", authority, "127.0.0.9"))
    return folder


def _context(folder: Path, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return context


def test_a_broker_with_the_name_of_another(certificates: Path) -> None:
    with Bench(tls=_context(certificates, "elsewhere"), ca_file=str(certificates / "ca.pem")) as bench:
        with pytest.raises(ssl.SSLError):
            bench.accept()
        bench.until(lambda: _lost(bench))
        (reason,) = _lost(bench)
        assert reason.startswith(f"certificate of 127.0.0.1:{bench.port} is not trusted: ")
        assert "127.0.0.1" in reason.split("trusted")[1]


def test_a_broker_of_an_unknown_authority(certificates: Path, tmp_path: Path) -> None:
    write(tmp_path, "stranger", certificate("stranger"))
    with Bench(tls=_context(certificates, "broker"), ca_file=str(tmp_path / "stranger.pem")) as bench:
        with pytest.raises(ssl.SSLError):
            bench.accept()
        bench.until(lambda: _lost(bench))
        assert "is not trusted" in _lost(bench)[0]


def test_many_messages_in_one_record_of_tls_are_all_read(certificates: Path) -> None:
    """The selector sees one readable socket; what is decrypted already must not wait for the next packet."""
    with Bench(tls=_context(certificates, "broker"), ca_file=str(certificates / "ca.pem")) as bench:
        bench.open()
        bench.say(b"".join(published(TOPICS.command, str(number).encode()) for number in range(200)))
        bench.until(lambda: len(_arrived(bench)) == 200)
        assert [int(each.payload) for each in _arrived(bench)] == list(range(200))


# Messages up.


def test_a_message_is_acknowledged_late_refused_or_never() -> None:
    with Bench() as bench:
        bench.open()
        late, refused, never = (
            bench.connection.publish(TOPICS.up("tele"), payload, bench.now_s) for payload in (b"a", b"b", b"c")
        )
        assert late is not None
        assert refused is not None
        assert never is not None
        bench.until(lambda: len(bench.packets()) == 3)
        assert [content for _, content in bench.packets()] == [
            text(TOPICS.up("tele")) + number.to_bytes(2, "big") + b"\x00" + payload
            for number, payload in ((late, b"a"), (refused, b"b"), (never, b"c"))
        ]
        assert {first for first, _ in bench.packets()} == {0x32}, "QoS 1, not a repetition, not retained"
        for _ in range(20):
            bench.turn()
        assert not _taken(bench)
        bench.say(puback(refused, 0x97) + puback(late))
        bench.until(lambda: len(_taken(bench)) == 2)
        assert _taken(bench) == [Taken(refused, "Quota exceeded"), Taken(late, "")]
        for _ in range(20):
            bench.turn()
        assert len(_taken(bench)) == 2, "what is not acknowledged is not taken"


def test_an_answer_carries_its_correlation() -> None:
    with Bench() as bench:
        bench.open()
        bench.connection.publish(TOPICS.response, b"x", bench.now_s, correlation=b"\x01\x02")
        bench.until(lambda: bench.packets())
        ((_, content),) = bench.packets()
        assert content.endswith(b"\x05\x09" + text(b"\x01\x02") + b"x")


def test_nothing_is_published_without_a_connection() -> None:
    with Bench() as bench:
        assert bench.connection.publish(TOPICS.birth, b"x", bench.now_s) is None
        bench.accept()
        bench.until(lambda: bench.connection.next_due(bench.now_s) == bench.now_s + 1.0)
        assert bench.connection.publish(TOPICS.birth, b"x", bench.now_s) is None, "not before the broker accepts"


def test_what_the_library_has_no_room_for_is_not_handed_over() -> None:
    with Bench(window=1) as bench:
        bench.open()
        numbers = [bench.connection.publish(TOPICS.birth, b"x", bench.now_s) for _ in range(400)]
        assert numbers[0] is not None
        assert numbers[-1] is None
        assert bench.connection.connected


def test_a_broker_that_reads_slowly_gets_everything_in_the_end() -> None:
    with Bench() as bench:
        bench.open()
        payload = b"y" * 60_000
        numbers = [bench.connection.publish(TOPICS.birth, payload, bench.now_s) for _ in range(100)]
        assert None not in numbers
        bench.until(lambda: len(bench.packets()) == 100)
        assert all(content.endswith(payload) for _, content in bench.packets())


# Messages down.


def test_a_message_that_comes_byte_by_byte() -> None:
    with Bench() as bench:
        bench.open()
        whole = published(TOPICS.command, b"{}", b"\x08" + text("ev/1/answer") + b"\x09" + text(b"\x07"))
        for place in range(len(whole)):
            assert not _arrived(bench)
            bench.say(whole[place : place + 1])
            bench.turn()
        bench.until(lambda: _arrived(bench))
        assert _arrived(bench) == [Arrived(TOPICS.command, b"{}", "ev/1/answer", b"\x07")]


def test_a_flood_arrives_whole_and_in_order() -> None:
    with Bench() as bench:
        bench.open()
        for number in range(500):
            bench.say(published(TOPICS.watermark, str(number).encode()))
            if number % 50 == 49:
                bench.turn()
        bench.say(published(TOPICS.command, b"z" * 60_000))
        bench.until(lambda: len(_arrived(bench)) == 501)
        assert [int(each.payload) for each in _arrived(bench)[:-1]] == list(range(500))
        assert len(_arrived(bench)[-1].payload) == 60_000
        assert bench.connection.connected


def test_a_topic_that_is_no_text_is_left_out() -> None:
    with Bench() as bench:
        bench.open()
        bench.say(published(b"\xff\xfe", b"x") + published(TOPICS.command, b"y"))
        bench.until(lambda: bench.happened[1:])
        assert [each.payload for each in _arrived(bench)] in ([b"y"], [])
        assert not [each for each in _arrived(bench) if each.payload == b"x"]


def test_the_topics_that_are_asked_for_and_a_broker_that_refuses_one(caplog: pytest.LogCaptureFixture) -> None:
    with Bench() as bench, caplog.at_level(logging.WARNING):
        bench.open()
        bench.connection.subscribe(bench.now_s)
        bench.until(lambda: bench.packets())
        ((first, content),) = bench.packets()
        assert first == 0x82
        assert content[2:] == b"\x00" + text(TOPICS.command) + b"\x01" + text(TOPICS.watermark) + b"\x01"
        bench.say(packet(0x90, content[:2] + b"\x00" + b"\x01\x87"))
        bench.until(lambda: "refuses the subscription" in caplog.text)
        assert TOPICS.watermark in caplog.text
        assert TOPICS.command not in caplog.text
        assert bench.connection.connected


# Ends.


@pytest.mark.parametrize("how", ["hang up", "disconnect", "rubbish", "half a packet"])
def test_a_broker_that_goes_away(how: str) -> None:
    with Bench() as bench:
        bench.open()
        if how == "disconnect":
            bench.say(packet(0xE0, b"\x8b\x00"))
        elif how == "rubbish":
            bench.say(b"\xf3\x02\xff\xff" + packet(0x30, b"\xff\xff"))
        elif how == "half a packet":
            bench.say(published(TOPICS.command, b"never whole")[:8])
        if how in ("hang up", "half a packet"):
            bench.hang_up()
        bench.until(lambda: _lost(bench))
        assert len(_lost(bench)) == 1
        if how == "disconnect":
            assert _lost(bench) == ["the broker ended the connection: Server shutting down"]
        assert not _arrived(bench)
        bench.connection.drop("the service gives it up", bench.now_s)
        assert not bench.connection.connected
        assert not bench.selector.get_map(), "the socket is not watched any more"
        # And it comes back.
        bench.happened.clear()
        bench.hang_up()
        bench.now_s = bench.connection.next_due(bench.now_s)
        bench.open()


def test_a_parser_that_stumbles_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    with Bench() as bench:
        bench.open()

        def stumbles(_: Client, *__: object) -> MQTTErrorCode:
            raise IndexError("out of range")

        monkeypatch.setattr(Client, "loop_read", stumbles)
        bench.say(published(TOPICS.command, b"x"))
        bench.until(lambda: _lost(bench))
        assert _lost(bench) == ["the broker breaks the protocol: IndexError('out of range')"]


def test_a_silent_broker_is_noticed_by_the_keep_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    with Bench(keep_alive_s=5) as bench:
        bench.open()
        ahead = 0.0
        monkeypatch.setattr("paho.mqtt.client.time_func", lambda: time.monotonic() + ahead)
        for second in range(1, 5):
            bench.now_s += 1.0
            ahead = float(second)
            bench.turn()
        assert not bench.packets()
        for second in range(5, 20):
            bench.now_s += 1.0
            ahead = float(second)
            bench.turn()
            if second == 6:
                assert bench.packets() == [(0xC0, b"")], "it asks"
            if _lost(bench):
                break
        assert 10 <= second <= 12, "no answer within another keep-alive"
        assert not bench.connection.connected


def test_an_error_of_our_own_in_a_callback_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with Bench() as bench:
        bench.open()

        def broken(*_: object) -> Arrived:
            raise RuntimeError("broken")

        monkeypatch.setattr(mqtt, "Arrived", broken)
        bench.say(published(TOPICS.command, b"x"))
        bench.until(lambda: _lost(bench))
        assert _lost(bench) == ["internal error"]
        assert "RuntimeError: broken" in caplog.text


def test_what_is_dropped_is_said_once_and_tried_again() -> None:
    with Bench() as bench:
        bench.connection.drop("nothing there yet", bench.now_s)
        assert bench.connection.events() == []
        bench.open()
        bench.happened.clear()
        bench.connection.drop("acknowledges nothing", bench.now_s)
        bench.connection.drop("twice", bench.now_s)
        bench.turn()
        assert _lost(bench) == ["acknowledges nothing"]
        assert bench.connection.publish(TOPICS.birth, b"x", bench.now_s) is None
        bench.connection.ready(3, bench.now_s)
        bench.hang_up()
        bench.now_s = bench.connection.next_due(bench.now_s)
        bench.open()


def test_what_a_former_connection_still_says_is_not_of_this_one() -> None:
    with Bench() as bench:
        bench.open()
        former = bench.connection._client
        assert former is not None
        assert former.on_connect is not None
        assert former.on_publish is not None
        assert former.on_disconnect is not None
        late_connect, late_publish, late_disconnect = former.on_connect, former.on_publish, former.on_disconnect
        bench.connection.drop("enough", bench.now_s)
        bench.happened = bench.connection.events()
        late_connect(former, None, None, None, None)  # type: ignore[arg-type, call-arg]
        late_publish(former, None, 1, None, None)  # type: ignore[arg-type, call-arg]
        late_disconnect(former, None, None, None, None)  # type: ignore[arg-type, call-arg]
        assert bench.connection.events() == []
        assert not bench.connection.connected


def test_goodbye_is_a_disconnect_and_there_is_no_next_attempt() -> None:
    with Bench() as bench:
        bench.open()
        bench.connection.close(bench.now_s)
        assert bench.packets() == [(0xE0, b"\x00\x00")] or bench.packets() == [(0xE0, b"")]
        assert not bench.connection.connected
        assert not bench.selector.get_map()
        bench.now_s += 1000.0
        for _ in range(5):
            bench.turn()
        assert len(bench.happened) == 1, "only that it was connected"


def test_lengths_of_the_broker_are_those_of_mqtt() -> None:
    assert [length(number) for number in (0, 127, 128, 16_383)] == [b"\x00", b"\x7f", b"\x80\x01", b"\xff\x7f"]

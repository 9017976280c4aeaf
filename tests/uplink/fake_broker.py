"""A broker made of bytes: what it reads and what it says, and when, is up to the test."""

import contextlib
import selectors
import socket
import ssl
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from agent.settings.schema import Uplink
from agent.uplink.connection import Connected, ConnectionEvent
from agent.uplink.mqtt import MqttConnection, pile_connection
from agent.vocabulary.messages import Topics

TOPICS = Topics("123456789", "pile-1")
_LONGEST_S = 10.0


def length(number: int) -> bytes:
    """A variable byte integer of MQTT."""
    parts = bytearray()
    while True:
        number, low = divmod(number, 128)
        parts.append(low | (0x80 if number else 0))
        if not number:
            return bytes(parts)


def packet(first: int, content: bytes) -> bytes:
    """A packet with its fixed header."""
    return bytes([first]) + length(len(content)) + content


def text(value: str | bytes) -> bytes:
    """A string or binary data with its length."""
    data = value.encode() if isinstance(value, str) else value
    return len(data).to_bytes(2, "big") + data


def connack(reason: int = 0, properties: bytes = b"") -> bytes:
    return packet(0x20, bytes([0, reason]) + length(len(properties)) + properties)


def puback(message_id: int, reason: int = 0) -> bytes:
    return packet(0x40, message_id.to_bytes(2, "big") + bytes([reason, 0]))


def published(topic: str | bytes, payload: bytes, properties: bytes = b"") -> bytes:
    """A message with QoS 0."""
    return packet(0x30, text(topic) + length(len(properties)) + properties + payload)


def receive_maximum(number: int) -> bytes:
    return b"\x21" + number.to_bytes(2, "big")


def maximum_packet_size(number: int) -> bytes:
    return b"\x27" + number.to_bytes(4, "big")


MAXIMUM_QOS_0 = b"\x24\x00"


def split(data: bytes) -> list[tuple[int, bytes]]:
    """(first byte, content) of each whole packet."""
    packets: list[tuple[int, bytes]] = []
    place = 0
    while place + 2 <= len(data):
        size, shift, at = 0, 0, place + 1
        while True:
            if at >= len(data):
                return packets
            size |= (data[at] & 0x7F) << shift
            shift += 7
            at += 1
            if not data[at - 1] & 0x80:
                break
        if at + size > len(data):
            return packets
        packets.append((data[place], data[at : at + size]))
        place = at + size
    return packets


class Bench:
    """A connection of a pile, its selector, a listening socket, and a clock that only the test moves."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, draw: float = 1.0, **uplink: Any) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._tls = tls
        self.port: int = self._listener.getsockname()[1]
        self.selector = selectors.DefaultSelector()
        settings = {"host": "127.0.0.1", "port": self.port, "tls": tls is not None, "keep_alive_s": 5, **uplink}
        self.connection: MqttConnection = pile_connection(
            Uplink(**settings), "pile-1", TOPICS, "boot-a", selector=self.selector, draw=lambda: draw
        )
        self.now_s = 1000.0
        self.happened: list[ConnectionEvent] = []
        self.peer: socket.socket | None = None
        self.heard = bytearray()

    def __enter__(self) -> "Bench":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.connection.close(self.now_s)
        self.hang_up()
        self.close_listener()
        self.selector.close()

    def close_listener(self) -> None:
        self._listener.close()

    def turn(self) -> None:
        """One round of the loop that the connection lives in, as agent.north runs it."""
        self.connection.turn(self.now_s)
        for key, mask in self.selector.select(0.005) if self.selector.get_map() else ():
            key.data.ready(mask, self.now_s)
        self.happened += self.connection.events()

    def until(self, condition: Callable[[], object]) -> None:
        """Rounds until it is so, at the same time of the connection's clock."""
        deadline_s = time.monotonic() + _LONGEST_S
        while not condition():
            assert time.monotonic() < deadline_s, f"not in time; so far: {self.happened}"
            self.turn()
            time.sleep(0.001)

    def accept(self) -> None:
        """Let the connection come, and read its CONNECT."""
        self._listener.setblocking(False)
        accepted: list[socket.socket] = []

        def come() -> bool:
            with contextlib.suppress(BlockingIOError):
                accepted.append(self._listener.accept()[0])
            return bool(accepted)

        self.until(come)
        peer = accepted[0]
        peer.setblocking(True)
        peer.settimeout(_LONGEST_S)
        self.peer = peer if self._tls is None else self._tls.wrap_socket(peer, server_side=True)
        self.heard.clear()
        self.until(lambda: self.packets())

    def open(self, properties: bytes = b"") -> None:
        """Accept the pile."""
        self.accept()
        self.say(connack(properties=properties))
        self.until(lambda: self.connection.connected)
        self.until(lambda: any(isinstance(event, Connected) for event in self.happened))
        self.heard.clear()

    def say(self, data: bytes) -> None:
        assert self.peer is not None
        self.peer.sendall(data)

    def packets(self) -> list[tuple[int, bytes]]:
        """What the pile has said since the connection was opened."""
        assert self.peer is not None
        self.peer.setblocking(False)
        with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
            while data := self.peer.recv(65536):
                self.heard += data
        self.peer.setblocking(True)
        self.peer.settimeout(_LONGEST_S)
        return split(bytes(self.heard))

    def hang_up(self) -> None:
        if self.peer is not None:
            self.peer.close()
            self.peer = None

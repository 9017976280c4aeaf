"""The local socket of the field process: nobody on it can make the field process wait, grow or stumble."""

import os
import selectors
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.field.server import Client, FieldServer
from agent.link.framing import Decoder, encode
from agent.link.messages import Attach, Command, FromField, Hello, Message, ReadingsMessage, StatusRequest, ToField

HELLO = Hello("boot", "P1", "0", 1)


class Peer:
    """One end of the socket as a client holds it."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.socket.settimeout(5.0)
        self.decoder: Decoder[Message] = Decoder(FromField)  # type: ignore[arg-type]  # a union is a type to msgspec

    def send(self, *messages: Message) -> None:
        for message in messages:
            self.socket.sendall(encode(message))

    def receive(self) -> list[Message]:
        return self.decoder.feed(self.socket.recv(1 << 20))

    def gone(self) -> bool:
        """Whether the field process has closed the connection; what is still on its way is read first."""
        try:
            while self.socket.recv(1 << 20):
                pass
        except ConnectionResetError:
            pass
        except TimeoutError:
            return False
        return True


class Served:
    """The server with its selector, turned by hand."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "run" / "field.sock"
        self.selector = selectors.DefaultSelector()
        self.server = FieldServer(self.path, self.selector, HELLO)
        self.received: list[ToField] = []
        self.peers: list[Peer] = []

    def turn(self) -> None:
        """Everything that is ready now."""
        for key, events in self.selector.select(0):
            if isinstance(key.data, FieldServer):
                key.data.accept()
                continue
            assert isinstance(key.data, Client)
            if events & selectors.EVENT_WRITE:
                self.server.flush(key.data)
            if events & selectors.EVENT_READ:
                self.received += self.server.receive(key.data)

    def peer(self, role: str = "") -> Peer:
        peer = Peer(self.path)
        self.peers.append(peer)
        self.turn()
        if role:
            peer.send(Attach(role))
            self.turn()
        return peer

    @property
    def clients(self) -> list[Client]:
        return self.server._clients


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path)
    yield made
    made.server.close()
    made.selector.close()


def test_every_client_is_greeted_and_heard(served: Served) -> None:
    peer = served.peer("operator")
    assert peer.receive() == [HELLO]
    peer.send(StatusRequest(), Command("1", "stop"))
    served.turn()
    assert served.received == [Attach("operator"), StatusRequest(), Command("1", "stop")]


def test_only_user_and_group_may_open_the_socket(served: Served) -> None:
    assert stat.S_IMODE(os.stat(served.path).st_mode) == 0o660


def test_a_socket_left_by_a_killed_process_is_replaced(tmp_path: Path) -> None:
    first = Served(tmp_path)
    second = Served(tmp_path)
    second.peer()
    assert len(second.clients) == 1
    first.server.close()
    second.server.close()
    assert not second.path.exists()


def test_a_client_that_goes_is_forgotten(served: Served) -> None:
    peer = served.peer()
    peer.socket.close()
    served.turn()
    assert served.clients == []


@pytest.mark.parametrize("data", [b"\xff\xff\xff\xff", b"\x00\x00\x00\x01\xc1", b"GET / HTTP/1.1\r\n\r\n"])
def test_a_hostile_client_is_dropped_and_the_others_stay(served: Served, data: bytes) -> None:
    friend, foe = served.peer("operator"), served.peer()
    foe.socket.sendall(data)
    served.turn()
    assert foe.gone()
    friend.send(StatusRequest())
    served.turn()
    assert served.received[-1] == StatusRequest()


def test_a_client_that_does_not_read_is_dropped_and_nothing_grows(served: Served) -> None:
    reader, sleeper = served.peer("operator"), served.peer("operator")
    message = ReadingsMessage(0.0, 0, "synced", 1, None, {f"signal{n}": float(n) for n in range(500)})
    sleepy = served.clients[1]
    for _ in range(1000):
        served.server.send(sleepy, message)
        if sleepy not in served.clients:
            break
    assert sleepy not in served.clients
    assert len(sleepy.outgoing) < (256 << 10) + (64 << 10)
    before = len(sleepy.outgoing)
    served.server.send(sleepy, message)
    assert len(sleepy.outgoing) == before, "bytes gathered for somebody who is gone"
    assert sleeper.gone()
    assert len(served.clients) == 1
    assert reader.receive() == [HELLO]


def test_the_recorder_may_lag_further_behind_than_an_operator(served: Served) -> None:
    served.peer("recorder")
    recorder = served.server.recorder
    assert recorder is not None
    big = ReadingsMessage(0.0, 0, "synced", 1, "x" * (900 << 10), {})
    for _ in range(3):
        served.server.send(recorder, big)
    assert served.server.recorder is recorder
    for _ in range(3):
        served.server.send(recorder, big)
    assert served.server.recorder is None


def test_what_did_not_fit_is_sent_when_there_is_room(served: Served) -> None:
    peer = served.peer("recorder")
    recorder = served.server.recorder
    assert recorder is not None
    message = ReadingsMessage(0.0, 0, "synced", 1, "x" * (600 << 10), {})
    served.server.send(recorder, message)
    assert recorder.outgoing
    found: list[Message] = []
    while message not in found:
        found += peer.receive()
        served.turn()
    assert not recorder.outgoing


def test_a_new_recorder_takes_the_place_of_the_former(served: Served) -> None:
    former = served.peer("recorder")
    served.peer("recorder")
    assert former.gone()
    assert len(served.clients) == 1


def test_attaching_twice_keeps_the_connection(served: Served) -> None:
    peer = served.peer("recorder")
    peer.send(Attach("recorder"))
    served.turn()
    assert served.server.recorder is not None


def test_too_many_clients_never_keep_the_recorder_out(served: Served) -> None:
    """The oldest operator makes room: a leaking tool must not cost the pile its record, nor its charge."""
    recorder = served.peer("recorder")
    crowd = [served.peer("operator") for _ in range(20)]
    assert len(served.clients) <= 16
    assert served.server.recorder is not None
    assert crowd[0].gone()
    recorder.socket.close()
    served.turn()
    served.peer("recorder")
    assert served.server.recorder is not None


def test_a_peer_that_vanishes_while_written_to_is_dropped(served: Served) -> None:
    peer = served.peer()
    client = served.clients[0]
    peer.socket.close()
    served.server.send(client, HELLO)
    served.server.send(client, HELLO)
    assert served.clients == []
    served.server.drop(client)
    served.server.flush(client)


def test_spurious_wake_ups_do_nothing(served: Served) -> None:
    served.peer()
    assert served.server.receive(served.clients[0]) == []
    served.server.accept()
    assert len(served.clients) == 1

"""The recorder's end of the link, against a peer that dies."""

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.link.framing import Decoder, encode
from agent.link.messages import Hello, RecorderHealth, ToField
from agent.north.field_link import FieldLink
from agent.vocabulary.record import Record

HELLO = Hello("boot", "P1", "1", 1_700_000_000_000)
RECORD = Record("boot", 1, "session_started", 1.0, 1_700_000_000_000, "synced", 1, "s1", {"register_wh": 5})


@pytest.mark.parametrize("peer_has_read", [False, True])
def test_what_a_peer_said_before_it_died_is_not_lost_by_writing_to_it(tmp_path: Path, peer_has_read: bool) -> None:
    with selectors.DefaultSelector() as selector, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "f"))
        listener.listen()
        link = FieldLink(tmp_path / "f", selector)
        assert link.turn(0.0)
        peer, _ = listener.accept()
        if peer_has_read:
            peer.recv(4096)
        peer.sendall(encode(HELLO) + encode(RECORD))
        peer.close()

        link.send(RecorderHealth(ok=True), 1.0)
        link.send(RecorderHealth(ok=True), 2.0)
        messages = []
        while link.attached and selector.select(1.0):
            messages += link.receive(2.0)
        assert messages == [HELLO, RECORD]
        assert not link.attached


class _Peers:
    """A place where a field process listens or not, and the recorder's end."""

    def __init__(self, folder: Path) -> None:
        self.selector = selectors.DefaultSelector()
        self.path = folder / "f"
        self.link = FieldLink(self.path, self.selector)
        self.listener: socket.socket | None = None

    def listen(self) -> None:
        self.path.unlink(missing_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen()

    def attached(self, now_s: float) -> socket.socket:
        assert self.listener is not None
        assert self.link.turn(now_s)
        return self.listener.accept()[0]

    def close(self, now_s: float = 0.0) -> None:
        self.link.close(now_s)
        if self.listener is not None:
            self.listener.close()
        self.selector.close()


@pytest.fixture
def peers(tmp_path: Path) -> Iterator[_Peers]:
    made = _Peers(tmp_path)
    yield made
    made.close()


def test_it_tries_again_at_growing_distances_and_says_once_that_nothing_is_there(
    peers: _Peers, caplog: pytest.LogCaptureFixture
) -> None:
    now_s, pauses = 0.0, []
    for _ in range(8):
        assert not peers.link.turn(now_s)
        due_s = peers.link.next_due(now_s)
        pauses.append(due_s - now_s)
        assert not peers.link.turn(due_s - 0.001)
        now_s = due_s
    assert pauses[0] == 0.25
    assert pauses == sorted(pauses)
    assert pauses[-1] == 2.0
    assert caplog.text.count("the field process is not there") == 1
    peers.listen()
    peers.attached(now_s).close()
    assert peers.link.next_due(now_s) == float("inf")


@pytest.mark.parametrize("end", ["closes", "says rubbish", "resets"])
def test_every_end_of_a_link_is_said_and_the_next_attempt_waits(
    peers: _Peers, caplog: pytest.LogCaptureFixture, end: str
) -> None:
    peers.listen()
    peer = peers.attached(1.0)
    assert peers.link.receive(1.0) == [], "nothing to read is not an end"
    if end == "says rubbish":
        peer.sendall(b"\xff" * 64)
    elif end == "closes":
        assert peer.recv(4096)
        peer.close()
    else:
        peer.close()  # with the attach message unread: the kernel resets the link
    assert peers.link.receive(2.0) == []
    assert not peers.link.attached
    assert {"closes": "closed the link", "says rubbish": "what is no message", "resets": "link"}[end] in caplog.text
    assert peers.link.next_due(2.0) == 2.25
    assert not peers.selector.get_map()
    peers.attached(2.25)
    assert peers.link.attached


def test_a_field_process_that_does_not_read_is_given_up(peers: _Peers, caplog: pytest.LogCaptureFixture) -> None:
    peers.listen()
    peer = peers.attached(1.0)
    watched_for_writing = False
    for _ in range(100_000):
        peers.link.send(RecorderHealth(ok=True, uplink="x" * 4096), 2.0)
        if not peers.link.attached:
            break
        watched_for_writing |= bool(next(iter(peers.selector.get_map().values())).events & selectors.EVENT_WRITE)
    assert not peers.link.attached
    assert watched_for_writing
    assert "the field process does not read" in caplog.text
    peers.link.send(RecorderHealth(ok=True), 3.0)
    peers.link.flush(3.0)
    peer.close()


def test_what_waits_is_written_as_soon_as_the_peer_reads(peers: _Peers) -> None:
    peers.listen()
    peer = peers.attached(1.0)
    peer.setblocking(False)
    sent = 0
    while not next(iter(peers.selector.get_map().values())).events & selectors.EVENT_WRITE:
        peers.link.send(RecorderHealth(ok=True, uplink="x" * 4096), 2.0)
        sent += 1
    decoder: Decoder[ToField] = Decoder(ToField)  # type: ignore[arg-type]  # a union is a type to msgspec
    read: list[ToField] = []
    while len(read) < sent + 1:
        with contextlib.suppress(BlockingIOError):
            read += decoder.feed(peer.recv(1 << 20))
        peers.link.flush(3.0)
    assert peers.link.attached
    assert next(iter(peers.selector.get_map().values())).events == selectors.EVENT_READ
    peer.close()


def test_a_large_batch_is_received_whole(peers: _Peers) -> None:
    peers.listen()
    peer = peers.attached(1.0)
    data = encode(HELLO) + encode(RECORD) * 5000
    writer = threading.Thread(target=peer.sendall, args=(data,))
    writer.start()
    messages: list[object] = []
    while len(messages) < 5001:
        assert peers.selector.select(5.0)
        messages += peers.link.receive(2.0)
    writer.join()
    assert messages == [HELLO, *[RECORD] * 5000]
    peer.close()

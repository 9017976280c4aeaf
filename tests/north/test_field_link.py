"""The recorder's end of the link, against a peer that dies."""

import selectors
import socket
from pathlib import Path

import pytest

from agent.link.framing import encode
from agent.link.messages import Hello, RecorderHealth
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

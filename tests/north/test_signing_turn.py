"""A signature that is ready makes a turn of the recorder; what is written in it is acknowledged like anything else."""

from types import SimpleNamespace
from typing import Any

import pytest

from agent.link.messages import Acknowledge
from agent.north.process import NorthProcess


@pytest.mark.parametrize("readable", [False, True])
def test_what_is_written_together_with_a_signature_is_acknowledged(readable: bool) -> None:
    sent: list[Any] = []
    noted: list[Any] = []
    signed = [("record", b"key", b"signature")]
    # Everything but the process itself is a stand-in: the question is what it does with what they return.
    process: Any = object.__new__(NorthProcess)
    process._writer = SimpleNamespace(
        ledger=object(),
        ok=True,
        resend_needed=False,
        session_ended=False,
        note_signature=lambda *what: noted.append(what),
        turn=lambda now_s, wall_ms: [Acknowledge("boot", 7)],
    )
    process._signer = SimpleNamespace(ready=lambda now_s, ledger: signed, turn=lambda now_s, ledger: signed)
    process._field = SimpleNamespace(send=lambda message, now_s: sent.append(message))
    process._sign(1.0, readable=readable)
    assert noted == signed
    assert sent == [Acknowledge("boot", 7)]

"""Hashes, signatures, link and MQTT messages are those of the first release: ledgers and platforms rely on it.

The vectors were written by the code before ``Record`` and ``LedgerEntry`` took the place of four classes.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from agent.link.framing import Decoder, encode
from agent.link.messages import FromField
from agent.records.ledger import Ledger
from agent.records.signing import verify
from agent.uplink.envelope import birth, envelope, farewell, response
from agent.vocabulary.reasons import Reason
from agent.vocabulary.record import LedgerEntry, Record

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parent / "vectors" / "first_release.json").read_text(encoding="utf-8")
)
_STARTED = {"origin": "local", "register_wh": 123456, "tariff": {"id": "x", "slots": ["flat"] * 2}, "user": "张三"}
_ENDED = {"result": "settled", "stop_reason": "local", "faults": [], "energy_wh": 4, "amount_e4": 0}
_RAISED = {"fault": "smoke", "level": 1, "action": "open", "snapshot": {"a": 1.5, "b": True}}
_MISSING = {"event": "records_missing", "boot_id": "b0a1", "from": 1, "to": 2}
_COMMAND = {"id": "c1", "name": "stop", "origin": "platform", "result": "rejected", "reason": "no_session"}
_SESSION = "P1-1-0001"
RECORDS = (
    Record("b0a1", 1, "session_started", 12.5, 1_764_500_000_000, "synced", 1, _SESSION, _STARTED),
    Record(
        "b0a1",
        2,
        "session_progress",
        13.25,
        1_764_500_001_000,
        "synced",
        1,
        _SESSION,
        {"register_wh": 123460, "voltage_dv": 4003},
    ),
    Record("b0a1", 3, "alarm_raised", 13.9999995, 1_764_500_001_500, "holdover", 2, None, _RAISED),
    Record("b0a1", 4, "session_ended", 20.0, 1_764_500_008_000, "unset", 1, _SESSION, _ENDED),
    Record(
        "b0a1",
        5,
        "telemetry",
        21.0,
        1_764_500_009_000,
        "unset",
        1,
        None,
        {"state": "idle", "nan": float("nan"), "raw": b"\x01\x02"},
    ),
    Record("n7", 1, "event", 1.0, 1_764_500_009_001, "synced", 1, None, _MISSING),
    Record("n7", 2, "command", 1.0, 1_764_500_009_001, "synced", 1, None, _COMMAND),
)

pytestmark = pytest.mark.any_body("one vector holds values that JSON cannot carry")


@pytest.fixture
def entries(tmp_path: Path) -> list[LedgerEntry]:
    ledger = Ledger(tmp_path, 1)
    made = ledger.append(RECORDS)
    ledger.close()
    return made


def test_the_hashes_are_those_of_the_first_release(entries: list[LedgerEntry]) -> None:
    assert [entry.hash.hex() for entry in entries] == VECTORS["hashes"]


def test_the_signature_of_the_first_release_fits(entries: list[LedgerEntry]) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    public = Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key().public_bytes_raw()
    assert verify(public, bytes.fromhex(VECTORS["signature"]), entries[3].hash)
    assert not verify(public, bytes.fromhex(VECTORS["signature"]), entries[2].hash)


def test_the_messages_of_records_are_those_of_the_first_release(entries: list[LedgerEntry]) -> None:
    sent = [envelope(entry, resent=entry.seq % 2 == 0).decode() for entry in entries]
    assert sent == VECTORS["envelopes"]


def test_the_link_is_that_of_the_first_release() -> None:
    records = [record for record in RECORDS if record.kind != "telemetry"]
    assert [encode(record).hex() for record in records] == VECTORS["link"]
    decoder: Decoder[FromField] = Decoder(FromField)  # type: ignore[arg-type]  # a union is a type to msgspec
    assert decoder.feed(bytes.fromhex("".join(VECTORS["link"]))) == records


def test_answers_and_birth_have_only_gained_keys() -> None:
    def without(message: bytes, *gained: str) -> Any:
        return {key: value for key, value in json.loads(message).items() if key not in gained}

    rejected = response("c1", "rejected", [Reason("no_session")], session=None, wall_ms=5, boot_id="n7")
    done = response("c1", "done", [], session="s", wall_ms=5, boot_id="n7")
    assert [without(rejected, "reasons"), without(done)] == [json.loads(text) for text in VECTORS["resp"]]
    born = birth(
        boot_id="n7",
        ledger_id="l",
        version="1.2",
        connectors={1: "charger"},
        wall_ms=5,
        unacknowledged={"alarm": (1, 2)},
        watermarks={"alarm": 0},
    )
    assert without(born, "connectors") == json.loads(VECTORS["birth"])
    assert farewell(boot_id="n7", graceful=True).decode() == VECTORS["bye"]

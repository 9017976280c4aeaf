"""What must be true of the record after whatever happened: numbers, chain, bills, and what the platform has."""

from typing import Any

from agent.vocabulary.check import problems
from agent.vocabulary.kinds import STREAMS
from hil_tests.harness.pile import Pile

_SAME = {"t": "wall_ms", "tq": "wall_quality", "b": "boot_id", "c": "connector", "k": "kind", "d": "body"}


def check_books(pile: Pile, *, sessions: int) -> None:
    """All kept records are consistent, and the platform has each of them once, in sequence and unchanged."""
    pile.wait_published()
    published = {stream: pile.platform.records(stream) for stream in STREAMS}
    with pile.ledger() as reader:
        verification = reader.verify()
        counts = reader.counts()
        rows = reader.sessions(1000)
        documents = {(record["stream"], record["seq"]): record for record in reader.records(limit=100_000)}
    assert verification.problems == []
    assert counts["sessions"] == {"open": 0, "closed": sessions}
    assert len(rows) == sessions
    for row in rows:
        with pile.ledger() as reader:
            session = reader.session(row["session"])
        assert session is not None
        check_bill(session["ended"])
        kinds = [record["kind"] for record in session["records"]]
        assert kinds.count("session_ended") == 1
        assert kinds.count("session_started") == (0 if session["ended"]["result"] == "refused" else 1)
    for stream in STREAMS:
        numbers = [message["q"] for message in published[stream]]
        assert numbers == list(range(1, len(numbers) + 1)), f"{stream}: {numbers}"
        for message in published[stream]:
            document = documents[stream, message["q"]]
            assert {key: message[key] for key in _SAME} == {key: document[name] for key, name in _SAME.items()}
    misfits = [found for record in documents.values() for found in problems(record["kind"], record["body"])]
    assert misfits == [], "records and the table of agent.vocabulary differ"
    check_boots(list(documents.values()))
    assert "Traceback" not in pile.logs()


def check_boots(documents: list[dict[str, Any]]) -> None:
    """Each run of a process has numbered its records from 1 without gaps, and each came once."""
    numbers: dict[str, list[int]] = {}
    for document in documents:
        numbers.setdefault(document["boot_id"], []).append(document["number"])
    for boot_id, found in numbers.items():
        assert sorted(found) == list(range(1, len(found) + 1)), f"boot {boot_id}: {sorted(found)}"


def check_bill(ended: dict[str, Any]) -> None:
    """The bill is the difference of the register, and its slices add up to it."""
    assert ended["energy_wh"] == ended["register_end_wh"] - ended["register_start_wh"]
    assert ended["energy_wh"] == sum(entry["energy_wh"] for entry in ended["slices"])
    total_e4 = sum(entry["electricity_e4"] + entry["service_e4"] for entry in ended["slices"])
    # To pay: the sum, rounded half up once to 0.01 yuan.
    assert ended["amount_e4"] == (total_e4 + 50) // 100 * 100

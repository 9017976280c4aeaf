"""For all tests: every body that a test writes into a backlog or a ledger fits the table of agent.vocabulary.

A test that has to write another one says so: ``@pytest.mark.any_body("why")``.
"""

from collections.abc import Sequence
from typing import Any

import pytest

from agent.control.chassis.backlog import Backlog
from agent.records.ledger import Ledger
from agent.vocabulary.check import problems
from agent.vocabulary.record import LedgerEntry, Record


@pytest.fixture(autouse=True)
def bodies_fit_the_table(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.get_closest_marker("any_body") is not None:
        return
    add, append = Backlog.add, Ledger.append

    def checked_add(self: Backlog, *arguments: Any, **named: Any) -> Record:
        record = add(self, *arguments, **named)
        found = problems(record.kind, record.body)
        assert not found, found
        return record

    def checked_append(self: Ledger, records: Sequence[Record]) -> list[LedgerEntry]:
        # What a test of the ledger writes by hand may leave keys out.
        for record in records:
            found = problems(record.kind, record.body, partial=True)
            assert not found, found
        return append(self, records)

    monkeypatch.setattr(Backlog, "add", checked_add)
    monkeypatch.setattr(Ledger, "append", checked_append)

"""The list of cases: complete, well-formed, and every command in it is understood."""

import re
from pathlib import Path

import pytest

from hil_tests.bench.vehicle.profile import load_profile, profile_names
from hil_tests.bench.vehicle.vehicle import Vehicle as BenchVehicle
from hil_tests.conformance.__main__ import EXPLAINED_FILE, load_explanations, table_rows
from hil_tests.conformance.case import AtThePile, Case, Vehicle
from hil_tests.conformance.catalogue import CASES, ITEMS_2017, select

DOCUMENT = Path(__file__).parents[2] / "docs" / "conformance.md"
SHORT_FORM_S = 75.0
FULL_FORM_S = 30 * 60.0
PILES = 2


def test_every_item_of_the_standard_has_a_case() -> None:
    # GB/T 34658-2017, charger: DP.1001-1003, DN.1001-1004, DP.2001-2003, DN.2001-2010, DP.3001-3007, DN.3001-3010,
    # DP.4001-4002, DN.4001-4004.
    assert len(ITEMS_2017) == 3 + 4 + 3 + 10 + 7 + 10 + 2 + 4
    assert set(ITEMS_2017) - {case.item for case in CASES} == set()


def test_ids_are_unique_and_of_a_known_form() -> None:
    ids = [case.id for case in CASES]
    assert len(set(ids)) == len(ids)
    for case in CASES:
        assert re.fullmatch(r"D[PN]\.\d{4}[a-z]?|[TRAV]\.[A-Za-z0-9-]+", case.id)
        assert case.item in ITEMS_2017 or case.id[0] in "TRAV"
    lettered = {case.item for case in CASES if case.id != case.item}
    assert not lettered & set(ids), "an item has letters or none"


def test_what_is_uncertain_says_so() -> None:
    uncertain = {case.item for case in CASES if case.uncertain is not None}
    assert {"DN.2007", "DN.2008", "DN.2009", "DN.4002", "T.BHM-2015", "A.BHM", "A.MISMATCH"} <= uncertain


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_case_is_whole(case: Case) -> None:
    assert case.checks
    assert case.steps
    assert all((case.title.zh, case.title.en, case.sent.zh, case.sent.en))
    assert case.profile in profile_names()
    assert case.edition == ("2023" if case.id.startswith("A.") else "2015")
    marks = [mark.name for mark in (getattr(step, "mark", None) for step in case.steps) if mark is not None]
    assert len(set(marks)) == len(marks)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_vehicle_understands_every_command_of_a_case(case: Case) -> None:
    vehicle = BenchVehicle(load_profile(case.profile))
    commands = [*case.before, *(step.command for step in case.steps if isinstance(step, Vehicle))]
    for command in commands:
        reply = vehicle.command(command, 0.0)
        # Only `stop` needs a charge to be understood to the end.
        assert reply.ok or reply.reply.startswith("nothing to stop"), f"{command}: {reply.reply}"


def test_the_bench_knows_every_command_of_the_cases() -> None:
    known = {"leak", "unplug", "plug", "press estop", "heat connector"}
    used = [*(word for case in CASES for word in case.pile)]
    used += [step.command for case in CASES for step in case.steps if isinstance(step, AtThePile)]
    for command in used:
        assert any(command == word or command.startswith(f"{word} ") for word in known), command


def test_both_forms_fit_into_their_time() -> None:
    assert sum(case.seconds for case in CASES if case.short) / PILES < SHORT_FORM_S
    assert sum(case.seconds for case in CASES) / PILES < FULL_FORM_S


def test_selecting() -> None:
    assert [case.id for case in select(("DN.2007",))] == ["DN.2007a", "DN.2007b"]
    assert [case.id for case in select(("dn.2007b", "DN.2007"))] == ["DN.2007b", "DN.2007a"]
    assert [case.id for case in select(("R.",))] == ["R.1", "R.2", "R.3", "R.4"]
    with pytest.raises(ValueError, match=r"no case 'DX\.1'"):
        select(("DX.1",))


def test_the_document_lists_every_case() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    table = "\n".join(table_rows(list(CASES)))
    assert table in text, "write it anew: python -m hil_tests.conformance --table"


def test_explanations_name_cases_and_give_a_reason() -> None:
    assert all(reason.strip() for reason in load_explanations(EXPLAINED_FILE).values())

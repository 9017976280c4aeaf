"""Tables in plain text, and numbers for people."""

import pytest

from agent.cli import amounts
from agent.cli.screen import Screen, plain_table, width_of


def test_chinese_letters_take_two_columns() -> None:
    assert width_of("电表 meter") == 10
    lines = plain_table(["名", "n"], [["电表", "1"], ["ab", "23"]], right=(1,))
    assert lines == ["名     n", "电表   1", "ab    23"]


def test_a_list_of_names_and_values_has_no_head() -> None:
    assert plain_table(["", ""], [["a", "1"], ["long", "2"]]) == ["a     1", "long  2"]
    assert plain_table(["", ""], []) == []


def test_on_a_terminal_brackets_stay_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(rich=True)
    screen.table(["fault"], [["[meter_lost]"]])
    screen.line("[red]", "bold")
    said = capsys.readouterr().out
    assert "[meter_lost]" in said
    assert "[red]" in said


@pytest.mark.parametrize(
    ("given", "shown"),
    [(0, "0.00"), (100, "0.01"), (122_200, "12.22"), (122_201, "12.2201"), (-5_000, "-0.50"), (10_000_000, "1000.00")],
)
def test_money(given: int, shown: str) -> None:
    assert amounts.yuan(given) == shown


@pytest.mark.parametrize(("given", "shown"), [(0, "0.000"), (999, "0.999"), (1_234_567, "1234.567"), (-1, "-0.001")])
def test_energy(given: int, shown: str) -> None:
    assert amounts.kilowatt_hours(given) == shown


def test_prices_and_times() -> None:
    assert amounts.price(64_000) == "0.64000"
    assert amounts.duration(3_725.9) == "1:02:05"
    assert amounts.local_time(1_800_000_000_000, 480) == "2027-01-15 16:00:00"
    assert amounts.local_time(1_800_000_000_000, 0, with_date=False) == "08:00:00"
    assert amounts.local_time(None, 480) == "-"

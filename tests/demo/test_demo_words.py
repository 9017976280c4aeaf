import string
import tomllib
from pathlib import Path

import pytest

from agent.control.dc.machine import STATES as MACHINE_STATES
from agent.vocabulary.reasons import NORMAL_STOPS
from hil_tests.demo.summary import stop_reason_text
from hil_tests.demo.words import RATES, STATES, STOP_REASONS, TEXTS, text, word
from hil_tests.demo.words_guns import GUN_TEXTS

FAULTS = Path(__file__).parents[2] / "config" / "faults.toml"


def test_every_state_of_the_machine_has_words() -> None:
    assert set(STATES) == set(MACHINE_STATES)


def test_every_normal_stop_has_words() -> None:
    assert set(STOP_REASONS) >= set(NORMAL_STOPS)


@pytest.mark.parametrize("table", [STATES, STOP_REASONS, RATES, TEXTS, GUN_TEXTS])
def test_both_languages_are_there_and_take_the_same_values(table: dict[str, tuple[str, str]]) -> None:
    def places(sentence: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}

    for key, (english, chinese) in table.items():
        assert english.strip(), key
        assert chinese.strip(), key
        assert places(english) == places(chinese), key


def test_a_text_fills_its_places() -> None:
    assert text("agent_exit", "en", code=3) == "the agent ended with exit code 3"
    assert text("agent_exit", "zh", code=3) == "控制程序退出码 3"
    with pytest.raises(KeyError):
        text("no such text", "en")


def test_an_unknown_word_stands_for_itself() -> None:
    assert word(STATES, "hovering", "zh") == "hovering"


def test_a_fault_as_stop_reason_is_told_in_the_catalogue_s_words() -> None:
    row = tomllib.loads(FAULTS.read_text())["fault"][0]
    assert stop_reason_text(row["id"], "en", FAULTS) == f"{row['text_en']} [{row['id']}]"
    assert stop_reason_text(row["id"], "zh", FAULTS) == f"{row['text_zh']} [{row['id']}]"


def test_a_reason_without_words_stays_readable(tmp_path: Path) -> None:
    assert stop_reason_text("sunspots", "en", tmp_path / "missing.toml") == "sunspots"
    assert stop_reason_text("vehicle", "en", tmp_path / "missing.toml").endswith("[vehicle]")

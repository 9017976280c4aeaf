"""Texts for people use the words of the trade: comments, docstrings, messages and documents without the banned words.

The list and its better words are in CONTRIBUTING.md, "Do not use". ``PASSED`` are the folders and files that are
checked; ``NOT_YET`` are those that still wait for their pass, of which there is none. Every text file belongs to one
of the two.
"""

import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PASSED = (
    "README.md",
    "README.zh-CN.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Makefile",
    "agent",
    "config",
    "docs",
    "drivers",
    "hil_tests",
    "scripts",
    "systemd",
)
NOT_YET: tuple[str, ...] = ()
TREES = ("agent", "config", "docs", "drivers", "hil_tests", "scripts", "systemd")
SUFFIXES = frozenset({".py", ".md", ".toml", ".service", ".target", ".conf", ".rules", ".sh", ""})


@dataclass(frozen=True)
class Rule:
    """A banned word: ``pattern`` finds it in running text, ``better`` is the word to use."""

    pattern: re.Pattern[str]
    better: str


def rule(pattern: str, better: str) -> Rule:
    return Rule(re.compile(pattern, re.IGNORECASE), better)


RULES = (
    rule(r"\btold\b", "reported, sent, recorded"),
    rule(r"\bwhose\b", "with, of which"),
    rule(r"\b(?:nobody|somebody|everybody)\b", "passive voice; no device; the operator; all users"),
    rule(r"\banew\b", "again; write, reset, restart"),
    rule(r"\bmistak\w+", "error"),
    rule(r"\bin\sorder\b(?!\s(?:to|of|that)\b)", "orderly, normal, healthy; in sequence"),
    rule(r"(?<!keyed\s)(?<!order\s)\bby\sname\b", "keyed by name; with its reason"),
    rule(r"\b(?:stands?|stood|standing)\b(?!-|\sfor\b)", "is, is in, is at; stalled"),
    rule(r"(?<!\bas\s)\bwell\b(?!-)", "passed, success, healthy"),
    rule(r"\b(?:says?|said|saying|tells?|telling)\b", "report, return, give, contain"),
    # "speak BRM" is a command of the bench's vehicle.
    rule(r"\b(?:speaks|spoken?|speaking|speak)\b(?!\s(?:[A-Z]{3}\b|NAME\b|all\b))", "send, use the protocol"),
    rule(r"\b(?:lies|lying|lie)\b", "is, is in; wrong value"),
    rule("账本", "充电记录"),
    rule("有序(?:结束|停止)", "正常结束"),
    rule("枪锁", "电子锁"),
    rule("他人的充电", "原充电桩"),
)


@dataclass(frozen=True)
class Passage:
    """A piece of text for people and the line on which it begins, from 1."""

    text: str
    line: int


@dataclass(frozen=True)
class Finding:
    line: int
    word: str
    better: str


def joined(text: str) -> str:
    """``text`` with one character for each line break and its indentation or comment sign, so that words meet."""
    return re.sub(r"[ \t]*\n[ \t]*(?:#:?[ \t]?)?", "\n", text)


def without_code(text: str) -> str:
    """``text`` without what is between backquotes, with its line breaks."""
    return re.sub(r"(`+)[^`]*\1", lambda found: "`" + "\n" * found[0].count("\n") + "`", text)


def of_python(source: str) -> Iterator[Passage]:
    """Comments (a block is one passage), docstrings and all strings of more than one word."""
    block: list[str] = []
    begin = last = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        line = token.start[0]
        if token.type == tokenize.COMMENT:
            if block and line == last + 1:
                block.append(token.string)
            else:
                if block:
                    yield Passage("\n".join(block), begin)
                block, begin = [token.string], line
            last = line
        elif token.type == tokenize.STRING or token.type == getattr(tokenize, "FSTRING_MIDDLE", -1):
            text = token.string
            while (
                shorter := re.sub(r"\{[^{}\n]+\}", "…", text)
            ) != text:  # expressions of an f-string, inner ones first
                text = shorter
            if re.search(r"\S\s+\S|[\u4e00-\u9fff]", text):
                yield Passage(text, line)
    if block:
        yield Passage("\n".join(block), begin)


def of_markdown(text: str) -> Iterator[Passage]:
    """Prose and tables; of code blocks only the comments; not the list of banned words itself."""
    lines: list[str] = []
    in_code = in_list = False
    for line in text.split("\n"):
        if line.startswith("#") and not in_code:
            in_list = line == "### Do not use"
        if line.startswith("```"):
            in_code = not in_code
            lines.append("")
        elif in_list:
            lines.append("")
        elif in_code:
            lines.append(line.partition("# ")[2])
        else:
            lines.append(line)
    yield Passage("\n".join(lines), 1)


def passages(path: Path) -> Iterator[Passage]:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        yield from of_python(text)
    elif path.suffix == ".md":
        yield from of_markdown(text)
    else:
        yield Passage(text, 1)


def findings(passage: Passage) -> Iterator[Finding]:
    text = joined(without_code(passage.text))
    for each in RULES:
        for found in each.pattern.finditer(text):
            line = passage.line + text[: found.start()].count("\n")
            yield Finding(line, found[0].replace("\n", " "), each.better)


def is_below(path: Path, places: tuple[str, ...]) -> int:
    """Length of the longest of ``places`` that is ``path`` or a folder above it; 0 for none."""
    name = path.relative_to(ROOT).as_posix()
    return max((len(place) for place in places if name == place or name.startswith(f"{place}/")), default=0)


def text_files() -> list[Path]:
    files = [path for tree in TREES for path in (ROOT / tree).rglob("*") if path.is_file()]
    files = [path for path in files if path.suffix in SUFFIXES and "__pycache__" not in path.parts]
    return sorted([*files, *ROOT.glob("*.md"), ROOT / "Makefile"])


def checked() -> list[Path]:
    """The files whose nearest listed place is in ``PASSED``."""
    return [path for path in text_files() if is_below(path, PASSED) > is_below(path, NOT_YET)]


def test_texts_use_the_words_of_the_trade() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{finding.line}: '{finding.word}', better: {finding.better}"
        for path in checked()
        for passage in passages(path)
        for finding in findings(passage)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("place", PASSED)
def test_a_passed_place_has_texts(place: str) -> None:
    files = [path for path in checked() if is_below(path, (place,))]
    assert any(passage.text.strip() for path in files for passage in passages(path)) or files == [ROOT / place]


def test_every_text_file_is_listed() -> None:
    missing = [path.relative_to(ROOT).as_posix() for path in text_files() if not is_below(path, PASSED + NOT_YET)]
    assert missing == []


@pytest.mark.parametrize(
    "text",
    [
        "The vehicle is told the limits.",
        "a meter whose map is missing",
        "Nobody answers.",
        "somebody reads it",
        "absent for everybody",
        "starts anew",
        "two mistakes",
        "mistaken for a reply",
        "the session ends in order",
        "the session ends in\norder",
        "refused by name",
        "it stands in the record",
        "the bench stood still",
        "the run ended well",
        "the table says so",
        "it was said",
        "the register tells the energy",
        "two devices speak at once",
        "the value lies within bounds",
        "账本不可用",
        "有序结束充电",
        "枪锁未锁止",
        "监听他人的充电机",
    ],
)
def test_a_banned_word_is_found(text: str) -> None:
    assert list(findings(Passage(text, 1)))


@pytest.mark.parametrize(
    "text",
    [
        "in order to open",
        "in order of size",
        "in the order of the file",
        "it is read as well",
        "it is read as\n    well as written",
        "# it is read as\n# well",
        "a well-known variant",
        "keyed by name",
        "a value stands for a state",
        "when CRM-00 1.2 speak BRM",
        "the function ``tell`` and `whose` are code",
        "the field process",
        "有序充电",
    ],
)
def test_the_words_of_the_trade_are_not_found(text: str) -> None:
    assert list(findings(Passage(text, 1))) == []


def test_place_and_better_word_are_given() -> None:
    source = (
        '"""Title.\n\nA meter whose map is missing.\n"""\n\nKEY = "told"\nTEXT = f"{told} was told so"\n# in\n# order\n'
    )
    found = [(finding.line, finding.word) for passage in of_python(source) for finding in findings(passage)]
    assert found == [(3, "whose"), (7, "told"), (8, "in order")]
    (whose, *_) = [finding for passage in of_python(source) for finding in findings(passage)]
    assert whose.better == "with, of which"


def test_code_blocks_of_a_document_count_by_their_comments() -> None:
    text = "# Title\n```sh\nsay --whose x   # what it says\n```\n### Do not use\n| told | reported |\n## End\nanew\n"
    found = [(finding.line, finding.word) for passage in of_markdown(text) for finding in findings(passage)]
    assert sorted(found) == [(3, "says"), (8, "anew")]

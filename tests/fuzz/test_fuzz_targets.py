"""The fuzz targets run without the fuzzer: on the seeds, on what once broke something, and on bytes of any kind."""

from pathlib import Path

import fuzz_targets
import pytest
from fuzz_run import main
from fuzz_targets import TARGETS, Source, Statistics, seeds
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.gbt27930.charger.dialogue import Charger, Phase
from drivers.gbt27930.messages.table import MESSAGES

CRASHES = sorted(path for path in Path(__file__).with_name("crashes").iterdir() if path.suffix != ".md")


def test_what_once_broke_something_does_not_any_more() -> None:
    for path in CRASHES:
        TARGETS[path.name.partition("-")[0]](path.read_bytes(), Statistics())


@pytest.mark.parametrize("target", TARGETS)
def test_the_seeds_reach_deep(target: str) -> None:
    statistics = Statistics()
    for seed in seeds(target):
        TARGETS[target](seed, statistics)
    assert statistics.frames > 0
    deep = {
        "transport": {"received", "sent", "retransmissions"},
        "charger": {phase.value for phase in Phase},
        "codec": set(MESSAGES) | {"refused"},
        "observer": {"charging", "stopping", "timed out"},
    }
    assert deep[target] <= set(statistics.reached)


@pytest.mark.parametrize("target", TARGETS)
def test_any_bytes_are_a_course(target: str) -> None:
    @settings(max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(st.binary(max_size=300))
    def run(data: bytes) -> None:
        TARGETS[target](data, Statistics())

    run()


def test_a_charger_that_gets_where_it_must_not_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof that the checks can fail: a charger that takes BRO for the word that its output is ready."""

    def skip(self: Charger, latest: object) -> None:
        self._enter(Phase.READY, 1000.0)

    monkeypatch.setattr(Charger, "_take_bro", skip)
    with pytest.raises(AssertionError, match="by frame"):
        TARGETS["charger"](bytes((0,)) + bytes(4) * 8, Statistics())


def test_memory_that_grows_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bms_worlds.LARGEST_CHARGER", 100)
    with pytest.raises(AssertionError):
        TARGETS["charger"](seeds("charger")[5], Statistics())


def test_a_frame_of_nine_bytes() -> None:
    frame = Source(bytes((0x05, 0x19, 0, 1, 2, 3, 4, 5, 6))).frame()
    assert (frame.identifier & 0x03FFFFFF, frame.data) == (0x1956F4, bytes((1, 2, 3, 4, 5)))
    assert not Source(b"")
    assert Source(b"").take(4) == bytes(4)


def test_replaying_tells_what_happened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = tmp_path / "codec-good"
    good.write_bytes(b"\x00\x01\x01\x00")
    assert main(["--replay", str(good)]) == 0
    assert "nothing breaks" in capsys.readouterr().out
    assert main(["--replay", str(tmp_path / "codec-missing")]) == 2
    assert "cannot be read" in capsys.readouterr().out
    assert main(["--replay", str(tmp_path / "strange")]) == 2
    assert "must begin with its target" in capsys.readouterr().out


def test_every_target_has_seeds_of_its_own() -> None:
    assert all(len(seeds(target)) > 3 for target in fuzz_targets.TARGETS)

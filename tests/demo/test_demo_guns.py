"""The two-gun story on the screen and on the command line."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console
from test_demo_claims import good
from test_demo_picture import CHARGING

from hil_tests.demo import __main__ as program
from hil_tests.demo.claims import claims
from hil_tests.demo.field_link import connector_status
from hil_tests.demo.guns_panel import guns_panel
from hil_tests.demo.guns_plain import GunsTeller
from hil_tests.demo.guns_scene import GunsScene
from hil_tests.demo.guns_story import GunsStory
from hil_tests.demo.guns_summary import GunsOutcome, guns_summary
from hil_tests.demo.interrupts import Interrupts
from hil_tests.demo.panel import MAXIMUM_WIDTH
from hil_tests.demo.plain import INTERVAL_S
from hil_tests.demo.scene import Scene
from hil_tests.demo.story import Story
from hil_tests.demo.summary import judge_end, not_open
from hil_tests.demo.words import Language

PILE: dict[str, Any] = {
    "records": CHARGING["records"],
    "recorder": CHARGING["recorder"],
    "power": {
        "budget_w": 64635,
        "budget_by": "incomer",
        "shares": {
            "1": {"power_w": 32317, "current_a": 74.9, "by": "shared with connector 2"},
            "2": {"power_w": 32317, "current_a": 77.0, "by": "shared with connector 1"},
        },
    },
}
PROBE: dict[str, Any] = {
    "contactor_k1": True,
    "contactor_k2": False,
    "bank": {"groups": {"A": {"guns": [1]}, "B": {"guns": []}}},
}


def scene_of(language: Language = "en", *, full: bool = True) -> GunsScene:
    scene = GunsScene(language=language, elapsed_s=67.4, doing="together", vehicles={1: "demo-car", 2: "bus"})
    scene.guns = {gun: Scene(language=language) for gun in (1, 2)}
    if full:
        scene.status, scene.observed, scene.published = PILE, {1: PROBE, 2: PROBE}, {"state": 9}
        for gun in scene.guns.values():
            gun.status, gun.energy_wh = dict(CHARGING), 412
        scene.guns[2].status = {**CHARGING, "faults": [{"id": "over_temperature"}]}
    return scene


def drawn(scene: GunsScene, width: int) -> str:
    console = Console(width=width, file=io.StringIO(), record=True, color_system=None)
    console.print(guns_panel(scene))
    return console.export_text()


def test_the_picture_shows_both_guns_and_who_limits_whom() -> None:
    picture = drawn(scene_of(), 100)
    for part in (
        "gun 1",
        "gun 2",
        "demo-car",
        "bus",
        "428 V 119 A 50.8 kW",
        "0.412 kWh",
        "438 V 120 A",
        "32.3 kW  75 A (shared with conne",
        "K1 closed · K2 open",
        "no fault",
        "over_temperature",
        "64.6 kW (incomer)",
        "A → gun 1 · B free",
        "both guns charge at once",
        "last no. 41",
        "1:07",
    ):
        assert part in picture, part


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [80, 100, 200])
@pytest.mark.parametrize("full", [True, False])
def test_the_picture_fits_any_terminal_from_80_columns(language: Language, width: int, full: bool) -> None:
    lines = drawn(scene_of(language, full=full), width).splitlines()
    assert len(lines) <= 24
    assert max(cell_len(line) for line in lines) <= min(width, MAXIMUM_WIDTH)


def test_lines_come_for_each_change_and_each_two_seconds() -> None:
    teller, scene = GunsTeller(), scene_of()
    first = [line.split("s  ", 1)[1] for line in teller.lines(scene)]
    assert first[0] == "-- both guns charge at once"
    assert first[1] == "module groups A → gun 1 · B free"
    assert first[2].startswith("limits gun 1: shared with connector 2, gun 2: shared with connector 1 | budget 64.6 kW")
    assert first[3].startswith("gun 1 (demo-car) charging · K1 closed · K2 open · no fault | 428 V")
    assert first[4].startswith("gun 2 (bus) charging · K1 closed · K2 open · over_temperature | ")
    assert first[5].startswith("record last no. 41")
    assert teller.lines(scene) == []
    scene.guns[2].status = {**CHARGING, "faults": []}
    (changed,) = teller.lines(scene)
    assert "gun 2 (bus) charging · K1 closed · K2 open · no fault" in changed
    scene.elapsed_s += INTERVAL_S
    assert len(teller.lines(scene)) == 3


def test_before_the_agent_answers_only_the_step_is_shown() -> None:
    teller, scene = GunsTeller(), scene_of(full=False)
    assert len(teller.lines(scene)) == 1
    assert teller.lines(scene) == []


def test_a_status_holds_the_pile_and_one_connector() -> None:
    status = {"pile_id": "X", "connectors": [{"connector": 1, "state": "idle"}, {"connector": 2, "state": "plugged"}]}
    assert connector_status(status, 2) == {"pile_id": "X", "connector": 2, "state": "plugged"}
    assert connector_status(status, 3) == {"pile_id": "X"}


def outcome() -> GunsOutcome:
    evidence = good()
    open_probe = {"contactor_k1": False, "contactor_k2": False}
    return GunsOutcome(
        guns=(1, 2),
        observed=evidence.observed,
        sessions=[{**each, "session": f"S{number}"} for number, each in enumerate(evidence.sessions)],
        reported=evidence.published,
        records={"last_number": 9, "acknowledged": 9},
        uplink_pending=0,
        probes={gun: {**open_probe, "energy_register_wh": wh} for gun, wh in evidence.registers_wh.items()},
        agent_exit_code=0,
    )


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_summary_shows_each_bill_with_its_connector_and_each_claim(language: Language) -> None:
    found = outcome()
    for each in found.sessions:
        each["slices"][0].update(
            {
                "start_wall_ms": 0,
                "end_wall_ms": 1000,
                "rate": "flat",
                "price_electricity_e5": 60_000,
                "price_service_e5": 35_000,
            }
        )
    judged = claims(found.evidence())
    console = Console(width=120, file=io.StringIO(), record=True, color_system=None)
    console.print(
        guns_summary(
            found, judged, language, fault_catalogue=Path("/none"), utc_offset_minutes=480, record_folder="x/state"
        )
    )
    shown = console.export_text()
    for part in ("S0", "S1", "S2", "0.480 kWh", "0.04", "x/state", "VIN1", "VIN2"):
        assert part in shown, part
    assert shown.count("✓") == len(judged)
    assert ("1号枪: S0" if language == "zh" else "gun 1: S0") in shown


def test_a_good_end_has_no_reason_against_it_and_a_closed_contactor_has() -> None:
    found = outcome()
    assert judge_end(found, "en") == []
    found.probes = {1: found.probes[1], 2: {**found.probes[2], "contactor_k1": True}}
    assert judge_end(found, "en") == ["contactors not open: gun 2: K1 closed"]
    found.probes = {1: found.probes[1]}
    assert not_open(found) == "gun 2: K1 unknown, K2 unknown"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--pile", "dc-70kw"], "'dc-60kw', 'dc-120kw-two-guns'"),
        (["--switched"], "--switched needs a pile with groups to switch: --pile dc-120kw-two-guns"),
    ],
)
def test_a_pile_without_a_story_is_refused_with_the_legal_ones(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        program._options(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_each_pile_has_its_story(tmp_path: Path) -> None:
    interrupts = Interrupts()
    _, one = program._make_story(program._options([]), tmp_path, interrupts)
    _, two = program._make_story(program._options(["--pile", program.TWO_GUNS, "--switched"]), tmp_path, interrupts)
    assert isinstance(one, Story)
    assert isinstance(two, GunsStory)
    assert two.scene.vehicles == {1: "bus", 2: "demo-car"}
    verdict = program.verdict_of(two, "en")
    assert len(verdict.reasons) > 13, "nothing was observed: every claim is missed, and the end is not good"

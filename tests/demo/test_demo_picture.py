import copy
import io
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from hil_tests.demo.panel import MAXIMUM_WIDTH, panel
from hil_tests.demo.plain import INTERVAL_S, PlainTeller
from hil_tests.demo.scene import Scene, Step

CHARGING: dict[str, Any] = {
    "state": "charging",
    "may_energise": True,
    "may_start": False,
    "start_blockers": [],
    "faults": [],
    "values": {
        "meter_voltage_v": 428.31,
        "meter_current_a": 118.72,
        "meter_power_w": 50849,
        "contactor_k1_closed": True,
        "contactor_k2_closed": True,
        "lock_locked": True,
        "auxiliary_voltage_v": 12.1,
    },
    "bms": {
        "demand_voltage_v": 438.4,
        "demand_current_a": 120.0,
        "mode": 2,
        "soc_percent": 88,
        "remaining_min": 1,
        "maximum_cell_voltage_v": 2.68,
        "highest_temperature_c": 31,
        "bcp_maximum_voltage_v": 456.0,
        "bcp_maximum_current_a": 120.0,
    },
    "limit": {"voltage_v": 1000.0, "current_a": 140.0, "power_w": 60000.0, "by": "profile"},
    "records": {"last_number": 41, "acknowledged": 40, "backlog": 1},
    "recorder": {"attached": True, "ok": True, "uplink": "connected", "uplink_pending": 2},
}


def charging_scene(language: str = "en") -> Scene:
    return Scene(
        language=language,  # type: ignore[arg-type]  # a parameter of the test
        elapsed_s=67.4,
        doing="charging",
        status=copy.deepcopy(CHARGING),
        steps=[Step("plugged", 6.2), Step("locked", 7.0), Step("charging", 18.4)],
        energy_wh=412,
        published={"state": 9, "session": 4},
        soc_from_percent=80.0,
        soc_to_percent=97.0,
    )


def drawn(scene: Scene, width: int) -> str:
    console = Console(width=width, file=io.StringIO(), record=True, color_system=None)
    console.print(panel(scene))
    return console.export_text()


def test_the_picture_shows_what_the_status_says() -> None:
    picture = drawn(charging_scene(), 100)
    for part in (
        "charging",
        "428.3 V  118.7 A  50.85 kW  0.412 kWh",
        "438.4 V  120.0 A  CC  1 min left",
        "1000 V  140 A  60.0 kW  (profile)",
        "456 V 120 A",
        "2.68 V 31 °C",
        "energising permitted · no fault",
        "K1 closed · K2 closed · lock locked · auxiliary 12.1 V",
        "last no. 41 · durable 40 · unconfirmed by the broker 2",
        "session 4  state 9",
        "plugged 6s › locked 7s › charging 18s",
        "88 %",
        "80 % → 97 %",
        "1:07",
    ):
        assert part in picture, part


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [80, 100, 200])
@pytest.mark.parametrize("full", [True, False])
def test_the_picture_fits_any_terminal_from_80_columns(language: str, width: int, full: bool) -> None:
    scene = charging_scene(language) if full else Scene(language=language)  # type: ignore[arg-type]  # a parameter
    lines = drawn(scene, width).splitlines()
    assert len(lines) <= 24
    assert max(cell_len(line) for line in lines) <= min(width, MAXIMUM_WIDTH)


def test_a_stale_value_is_a_dash_not_a_zero() -> None:
    scene = charging_scene()
    scene.status = {**CHARGING, "values": {}, "bms": {}}
    picture = drawn(scene, 100)
    assert "- V  - A  - kW" in picture
    assert "K1 unknown · K2 unknown · lock unknown" in picture


def test_faults_and_blockers_are_named() -> None:
    scene = charging_scene()
    scene.status = {
        **CHARGING,
        "may_energise": False,
        "start_blockers": ["door_open", "no value: lock_locked"],
        "faults": [{"id": "door_open", "level": 1}],
    }
    assert "energising denied (door_open, no value: lock_locked) · door_open" in drawn(scene, 100)


@pytest.mark.parametrize(
    ("soc", "begin", "end", "share"),
    [
        (80, 80, 97, 0.0),
        (97, 80, 97, 1.0),
        (88.5, 80, 97, 0.5),
        (70, 80, 97, 0.0),
        (99, 80, 97, 1.0),
        (50, None, None, 0.5),
    ],
)
def test_the_bar_runs_from_the_first_to_the_wanted_state_of_charge(
    soc: float, begin: float | None, end: float | None, share: float
) -> None:
    scene = Scene(status={"bms": {"soc_percent": soc}}, soc_from_percent=begin, soc_to_percent=end)
    assert scene.soc_share == pytest.approx(share)


def test_without_state_of_charge_the_bar_is_empty() -> None:
    assert Scene().soc_share == 0.0


def test_plain_lines_come_every_two_seconds_and_at_every_change() -> None:
    teller = PlainTeller()
    scene = charging_scene()
    first = teller.lines(scene)
    assert [line.split("s  ", 1)[1].split(":")[0] for line in first] == [
        "-- the charge runs",
        "interlocks energising permitted · no fault | K1 closed · K2 closed · lock locked · auxiliary 12.1 V",
        "charging",
    ]
    assert teller.lines(scene) == []
    scene.elapsed_s += INTERVAL_S - 0.1
    assert teller.lines(scene) == []
    scene.elapsed_s += 0.1
    assert len(teller.lines(scene)) == 1
    scene.status = {**CHARGING, "state": "stopping"}
    assert "stopping" in teller.lines(scene)[0]
    scene.status = {**scene.status, "faults": [{"id": "door_open"}]}
    assert "door_open" in teller.lines(scene)[0]
    scene.doing = "settling"
    assert teller.lines(scene)[0].endswith("waiting until the broker has every record")


def test_before_the_agent_answers_only_the_doing_is_told() -> None:
    teller = PlainTeller()
    scene = Scene(doing="starting_bench")
    assert len(teller.lines(scene)) == 1
    assert teller.lines(scene) == []

"""The process image: ages, qualities, order, and values that are no numbers."""

import pytest

from agent.control.chassis.image import ProcessImage
from agent.vocabulary.signals import SIGNALS
from drivers.reading import Quality, Reading


def reading(value: float | int | bool, at_s: float = 0.0, quality: Quality = Quality.GOOD) -> Reading:
    return Reading(value, "V", at_s, quality)


def image_with(value: float | int | bool, at_s: float = 0.0, quality: Quality = Quality.GOOD) -> ProcessImage:
    image = ProcessImage()
    image.put("meter_voltage_v", reading(value, at_s, quality))
    return image


@pytest.mark.parametrize("signal", SIGNALS.values(), ids=SIGNALS)
def test_a_value_lives_exactly_as_long_as_its_signal_says(signal: object) -> None:
    name = signal.name  # type: ignore[attr-defined]  # a Signal; parametrize hides its type
    limit_s = SIGNALS[name].age_limit_s
    image = ProcessImage()
    assert image.value(name, 0.0) is None
    image.put(name, reading(1.0))
    assert image.value(name, 0.0) == 1.0
    assert image.value(name, limit_s) == 1.0
    assert image.value(name, limit_s + 0.001) is None
    assert image.value(name, -0.001) == 1.0
    assert image.value(name, -0.002) is None


def test_asking_for_an_earlier_instant_again_gives_its_own_answer() -> None:
    image = image_with(5.0)
    assert [image.value("meter_voltage_v", at_s) for at_s in (0.0, 9.0, 0.0)] == [5.0, None, 5.0]


def test_a_new_reading_within_the_same_instant_is_seen() -> None:
    image = image_with(5.0)
    assert image.value("meter_voltage_v", 1.0) == 5.0
    image.put("meter_voltage_v", reading(6.0, 1.0))
    assert image.value("meter_voltage_v", 1.0) == 6.0


def test_a_suspect_value_is_no_value_and_the_age_is_that_of_the_last_sound_one() -> None:
    image = image_with(5.0)
    image.put("meter_voltage_v", reading(7.0, 1.0, Quality.SUSPECT))
    assert image.value("meter_voltage_v", 1.0) is None
    assert image.age_s("meter_voltage_v", 3.0) == 3.0
    assert image_with(5.0, 2.0).age_s("meter_voltage_v", 3.0) == 1.0
    assert image.taken_at_s("meter_voltage_v") == 1.0
    image.put("meter_voltage_v", reading(8.0, 2.0, Quality.SUBSTITUTED))
    assert image.value("meter_voltage_v", 2.0) == 8.0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_no_value(value: float) -> None:
    image = image_with(value)
    assert image.value("meter_voltage_v", 0.0) is None
    assert image.age_s("meter_voltage_v", 1.0) is None
    assert image.taken_at_s("meter_voltage_v") == 0.0
    assert image.snapshot(0.0) == {}


def test_readings_of_one_signal_never_go_back() -> None:
    image = image_with(5.0, 10.0)
    image.put("meter_voltage_v", reading(4.0, 9.999))
    assert image.value("meter_voltage_v", 10.0) == 5.0
    image.put("meter_voltage_v", reading(6.0, 10.0))
    assert image.value("meter_voltage_v", 10.0) == 6.0


def test_what_would_be_taken_as_a_value() -> None:
    image = image_with(5.0, 10.0)
    assert image.usable("meter_voltage_v", reading(1.0, 10.0))
    assert image.usable("door_open", reading(False, 0.0))
    assert not image.usable("meter_voltage_v", reading(1.0, 9.0))
    assert not image.usable("meter_voltage_v", reading(1.0, 10.0, Quality.SUSPECT))
    assert not image.usable("meter_voltage_v", reading(float("nan"), 10.0))


def test_what_was_never_read_is_unknown() -> None:
    image = ProcessImage()
    assert image.age_s("door_open", 0.0) is None
    assert image.taken_at_s("door_open") is None
    assert image.stale(("door_open", "meter_voltage_v"), 0.0) == ["door_open", "meter_voltage_v"]
    with pytest.raises(KeyError, match="no such signal"):
        image.put("door_opened", reading(True))


def test_stale_and_snapshot_complement_each_other() -> None:
    image = image_with(5.0)
    image.put("door_open", reading(False, 0.0))
    assert image.stale(("door_open", "meter_voltage_v"), 1.0) == ["door_open"]
    snapshot = image.snapshot(1.0)
    assert snapshot == {"meter_voltage_v": 5.0}
    snapshot.clear()
    assert image.value("meter_voltage_v", 1.0) == 5.0

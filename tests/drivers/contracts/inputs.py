"""What every board of contacts, of analogue inputs, and every insulation monitor on a line owes."""

from contracts.line_device import DeviceContract, DeviceLine
from drivers.contracts import InsulationMonitor
from drivers.reading import Quality


class InputsContract(DeviceContract):
    """``direct`` is true while input 0 is on, ``inverted`` while input 1 is off."""

    def set_levels(self, line: DeviceLine, levels: tuple[bool, bool]) -> None:
        """Put the levels on inputs 0 and 1."""
        raise NotImplementedError

    def test_contacts_follow_their_wiring(self) -> None:
        line = self.line()
        for levels in ((False, False), (True, False), (True, True), (False, True)):
            self.set_levels(line, levels)
            line.run(1.0)
            assert (line.readings["direct"].value, line.readings["inverted"].value) == (levels[0], not levels[1])
            assert line.readings["direct"].unit == "bool"

    def test_without_wired_outputs_nothing_is_written(self) -> None:
        line = self.line()
        line.run(5.0)
        assert line.functions() <= {1, 2, 3, 4}


class AnalogueContract(DeviceContract):
    """Signal ``level_v`` on channel 0."""

    GOOD: tuple[int, float]
    """A raw value within the span, and the value in V."""
    ENDS: tuple[int, int]
    """The lowest and the highest raw value that is a measurement."""
    CODES: tuple[int, ...] = ()
    """Raw values that are codes of a broken sensor."""

    def set_raw(self, line: DeviceLine, raw: int) -> None:
        """Put a raw value on channel 0."""
        raise NotImplementedError

    def quality(self, raw: int) -> Quality:
        line = self.line()
        self.set_raw(line, raw)
        line.run(2.0)
        return line.readings["level_v"].quality

    def test_a_value_within_the_span(self) -> None:
        line = self.line()
        self.set_raw(line, self.GOOD[0])
        line.run(2.0)
        reading = line.readings["level_v"]
        assert (round(reading.value, 3), reading.unit, reading.quality) == (self.GOOD[1], "V", Quality.GOOD)

    def test_the_ends_of_the_span_are_measurements_and_one_digit_further_is_none(self) -> None:
        lowest, highest = self.ENDS
        assert self.quality(lowest) is Quality.GOOD
        assert self.quality(highest) is Quality.GOOD
        assert self.quality(highest + 1) is Quality.FAILED
        if lowest > 0:
            assert self.quality(lowest - 1) is Quality.FAILED

    def test_codes_of_a_broken_sensor_are_failed(self) -> None:
        assert all(self.quality(code) is Quality.FAILED for code in self.CODES)


class InsulationContract(DeviceContract):
    """A monitor of a system with 800 kohm at each pole."""

    EXPECTED_KOHM = 800.0
    """What it shows for each pole."""

    def monitor(self, line: DeviceLine) -> InsulationMonitor:
        """The driver."""
        driver = line.driver
        assert hasattr(driver, "conditions")
        return driver  # type: ignore[return-value]  # the attribute was asked for above

    def set_kohm(self, line: DeviceLine, kohm: float) -> None:
        """Change the resistance of both poles."""
        raise NotImplementedError

    def break_down(self, line: DeviceLine) -> None:
        """Make the device say that its value is none."""
        raise NotImplementedError

    def cast_doubt(self, line: DeviceLine) -> None:
        """Make the device say that its value is not that of the poles."""
        raise NotImplementedError

    def test_both_poles_in_kohm(self) -> None:
        line = self.line()
        line.run(4.0)
        for name in ("insulation_plus_kohm", "insulation_minus_kohm"):
            reading = line.readings[name]
            assert (round(reading.value), reading.unit, reading.quality) == (self.EXPECTED_KOHM, "kohm", Quality.GOOD)
        assert line.readings.keys() == {"insulation_plus_kohm", "insulation_minus_kohm"}

    def test_a_falling_resistance_is_seen(self) -> None:
        line = self.line()
        line.run(4.0)
        self.set_kohm(line, 40.0)
        line.run(4.0)
        assert line.readings["insulation_plus_kohm"].value <= 40.0

    def test_what_the_device_calls_no_value_is_failed(self) -> None:
        line = self.line()
        self.break_down(line)
        line.run(4.0)
        assert {reading.quality for reading in line.readings.values()} == {Quality.FAILED}

    def test_what_the_device_doubts_is_suspect_and_named(self) -> None:
        line = self.line()
        self.cast_doubt(line)
        line.run(4.0)
        assert {reading.quality for reading in line.readings.values()} == {Quality.SUSPECT}
        assert all(zh and en for zh, en in self.monitor(line).conditions)
        assert self.monitor(line).conditions

    def test_it_only_reads(self) -> None:
        line = self.line()
        line.run(5.0)
        assert line.functions() <= {3, 4}

"""What every meter owes: the test of a driver inherits ``MeterContract``."""

from contracts.line_device import DeviceContract, DeviceLine


class MeterContract(DeviceContract):
    """A DC meter at 400 V, 25 A, 10 kW with 123456 Wh in its register."""

    def add_energy(self, line: DeviceLine) -> None:
        """Let the register go on by 1000 Wh."""
        raise NotImplementedError

    def test_signals_and_units(self) -> None:
        line = self.line()
        line.run(12.0)
        got = {name: (round(float(r.value)), r.unit) for name, r in line.readings.items()}
        assert got == {
            "meter_voltage_v": (400, "V"),
            "meter_current_a": (25, "A"),
            "meter_power_w": (10_000, "W"),
            "meter_energy_wh": (123_456, "Wh"),
        }

    def test_energy_is_a_whole_number_and_follows_the_register(self) -> None:
        line = self.line()
        line.run(12.0)
        assert type(line.readings["meter_energy_wh"].value) is int
        self.add_energy(line)
        line.run(12.0)
        assert line.readings["meter_energy_wh"].value == 124_456

    def test_it_only_reads(self) -> None:
        line = self.line()
        line.run(12.0)
        assert line.functions() <= {3, 4}

"""One driver and one simulated device behind the owner of a line, byte for byte, in virtual time."""

from drivers.line.device import Device
from drivers.line.owner import LineOwner
from drivers.reading import Reading
from hil_tests.bench.line_devices import RtuDevice

BAUD = 19200
CHARACTER_S = 10 / BAUD
_STEP_S = 0.002


class DeviceLine:
    """Runs a driver against a device; ``readings`` holds the last of each name, ``history`` all of them."""

    def __init__(self, driver: Device, device: RtuDevice) -> None:
        self.driver = driver
        self.device = device
        self.owner = LineOwner(BAUD)
        self.owner.attach(driver.address, driver.timing)
        self.now_s = 100.0
        self.readings: dict[str, Reading] = {}
        self.history: list[tuple[float, str, Reading]] = []
        self.arrivals_s: set[float] = {0.0}
        self.sent: list[tuple[float, bytes]] = []
        self.dead = False
        self._coming: list[tuple[float, bytes]] = []

    def run(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.now_s += _STEP_S
            while self._coming and self._coming[0][0] <= self.now_s:
                self.arrivals_s.add(self.now_s)
                self.owner.receive(self._coming.pop(0)[1], self.now_s)
            for result in self.owner.results():
                for name, reading in self.driver.accept(result):
                    self.readings[name] = reading
                    self.history.append((self.now_s, name, reading))
            for request in self.driver.requests(self.now_s):
                self.owner.submit(request, self.now_s)
            assert self.driver.next_due(self.now_s) >= self.now_s
            data = self.owner.poll(self.now_s)
            if data:
                self.sent.append((self.now_s, data))
                if not self.dead:
                    heard_s = self.now_s + len(data) * CHARACTER_S
                    for at_s, reply in self.device.hear(data, heard_s):
                        self._coming.append((at_s + len(reply) * CHARACTER_S, reply))
                    self._coming.sort(key=lambda entry: entry[0])

    def functions(self, since_s: float = 0.0) -> set[int]:
        """Function codes that were sent."""
        return {data[1] for at_s, data in self.sent if at_s >= since_s}


class DeviceContract:
    """What every device on a line owes, whatever its kind: inherit, and give a line with a healthy device."""

    def line(self) -> DeviceLine:
        """A driver, and a device that answers."""
        raise NotImplementedError

    def test_readings_carry_the_time_of_their_arrival(self) -> None:
        line = self.line()
        line.run(3.0)
        assert line.history
        assert all(reading.at_s in line.arrivals_s for _, _, reading in line.history)

    def test_a_silent_device_delivers_nothing_and_is_used_again_when_it_returns(self) -> None:
        line = self.line()
        line.run(3.0)
        line.dead = True
        line.run(0.5)
        line.history.clear()
        line.run(5.0)
        assert line.history == []
        line.dead = False
        line.run(4.0)
        assert line.history

    def test_replies_that_are_spoiled_are_no_values(self) -> None:
        for fault in ("silent", "crc", "cut", "short", "unit", "late"):
            line = self.line()
            line.run(1.5)
            line.device.faults.add(fault)
            line.run(0.2)
            line.history.clear()
            line.run(4.0)
            wrong = [entry for entry in line.history if fault != "late" or entry[2].at_s not in line.arrivals_s]
            # Bits have no "short": a reply of one byte stays what it is.
            assert wrong == [] or (fault == "short" and not line.functions() & {3, 4}), fault

    def test_a_reading_is_not_repeated_with_a_new_time(self) -> None:
        line = self.line()
        line.run(3.0)
        times: dict[str, list[float]] = {}
        for _, name, reading in line.history:
            times.setdefault(name, []).append(reading.at_s)
        assert all(len(set(each)) == len(each) for each in times.values())

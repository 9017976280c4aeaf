"""A line owner, drivers and slaves in virtual time: bytes take their time on the wire."""

from collections.abc import Callable, Sequence

from drivers.line.device import Device
from drivers.line.exchange import Result
from drivers.line.owner import LineOwner
from drivers.reading import Reading

Slave = Callable[[bytes, float], list[tuple[float, bytes]]]
"""Takes a request and the time at which its last byte arrived; gives replies and when their last byte arrives."""


class VirtualLine:
    """Runs from event to event. ``readings`` holds all that the drivers delivered, with their names."""

    def __init__(self, master: LineOwner, devices: Sequence[Device], slave: Slave, character_s: float) -> None:
        self.master = master
        self.devices = {device.address: device for device in devices}
        self.slave = slave
        self.character_s = character_s
        self.now_s = 50.0
        self.pending: list[tuple[float, bytes]] = []
        self.readings: list[tuple[str, str, Reading]] = []
        self.results: list[Result] = []
        self.sent: list[tuple[float, bytes]] = []
        for device in devices:
            master.attach(device.address, device.timing)

    def run(self, seconds: float) -> None:
        until_s = self.now_s + seconds
        while True:
            self._turn()
            due_s = [until_s]
            if self.master.has_results:
                due_s.append(self.now_s)
            if self.pending:
                due_s.append(self.pending[0][0])
            master_due_s = self.master.next_due(self.now_s)
            if master_due_s is not None:
                due_s.append(master_due_s)
            due_s += [device.next_due(self.now_s) for device in self.devices.values()]
            next_s = min(due_s)
            if next_s >= until_s:
                self.now_s = until_s
                self._turn()
                return
            # A step of some microseconds where something is due at once: no wake-up comes sooner.
            self.now_s = max(next_s, self.now_s + 1e-5)

    def _turn(self) -> None:
        while self.pending and self.pending[0][0] <= self.now_s:
            self.master.receive(self.pending.pop(0)[1], self.now_s)
        for result in self.master.results():
            self.results.append(result)
            device = self.devices.get(result.request.address)
            if device is not None:
                self.readings += [(device.name, name, reading) for name, reading in device.accept(result)]
        for device in self.devices.values():
            for request in device.requests(self.now_s):
                self.master.submit(request, self.now_s)
        data = self.master.poll(self.now_s)
        if data:
            self.sent.append((self.now_s, data))
            arrived_s = self.now_s + len(data) * self.character_s
            self.pending += self.slave(data, arrived_s)
            self.pending.sort(key=lambda entry: entry[0])

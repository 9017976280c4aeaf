"""A DL/T 645 meter behind the bus owner: readings, values in several frames, the dlt645 package as the other side."""

import socket
import threading
from fractions import Fraction

import pytest
from line_clock import VirtualLine

from drivers.dlt645.frame import Frame, encode_frame, find_frames
from drivers.dlt645.meter import Dlt645Meter, Item, Read
from drivers.dlt645.request import READ_MORE, Request
from drivers.dlt645.values import encode_bcd
from drivers.line.exchange import Result
from drivers.line.owner import LineOwner
from drivers.modbus.codec import Request as ModbusRequest

NUMBER = "000000000161"
PACKAGE_NUMBER = "610100000000"
"""The package wants the number as it goes on the wire, the low pair first."""
CHARACTER_S = 11 / 9600
ENERGY = Item(0x00010000, 4, "meter_energy_wh", "Wh", Fraction(10), whole=True, energy=True)
VOLTAGE = Item(0x02000200, 4, "meter_voltage_v", "V", Fraction(1, 1000), signed=True)
CURRENT = Item(0x02000100, 4, "meter_current_a", "A", Fraction(1, 10000), signed=True)
# A meter of chargers (reference 1.1.4): energy by the standard, voltage and current at identifiers of its own.
READS = [
    Read(ENERGY.identifier, (ENERGY,), every=5),
    Read(VOLTAGE.identifier, (VOLTAGE,)),
    Read(0x02000100, (CURRENT,)),
]
RATES = tuple(
    Item(0x00010000 + (rate << 8), 4, f"energy_{rate}", "Wh", Fraction(10), whole=True, energy=True)
    for rate in range(5)
)
BLOCK = Read(0x0001FF00, RATES)


class SimulatedMeter:
    """Values by identifier, in whole bytes; ``part_bytes`` is the most that one frame carries."""

    def __init__(self, values: dict[int, bytes], part_bytes: int = 200) -> None:
        self.values = values
        self.part_bytes = part_bytes
        self.asked: list[Frame] = []
        self.refuse: set[int] = set()

    def reply(self, request: Frame) -> bytes:
        identifier = int.from_bytes(request.data[:4], "little")
        self.asked.append(request)
        if identifier in self.refuse or identifier not in self.values:
            return encode_frame(Frame(request.address, request.control | 0xC0, b"\x02"))
        sequence = request.data[4:]
        start = self.part_bytes * (sequence[0] if sequence else 0)
        part = self.values[identifier][start : start + self.part_bytes]
        more = 0x20 if start + self.part_bytes < len(self.values[identifier]) else 0
        return encode_frame(Frame(request.address, request.control | 0x80 | more, request.data[:4] + part + sequence))

    def __call__(self, data: bytes, at_s: float) -> list[tuple[float, bytes]]:
        replies = [self.reply(request) for request in find_frames(data) if request.address == NUMBER]
        return [(at_s + 0.05 + len(reply) * CHARACTER_S, reply) for reply in replies]


VALUES = {
    0x00010000: encode_bcd(1234567, 4),
    0x02000200: encode_bcd(750_123, 4, signed=True),
    0x02000100: encode_bcd(-1_250_001, 4, signed=True),
    0x0001FF00: b"".join(encode_bcd(100 + rate, 4) for rate in range(5)),
}


def line_with(meter: Dlt645Meter, simulated: SimulatedMeter) -> VirtualLine:
    return VirtualLine(LineOwner(9600, 11), [meter], simulated, CHARACTER_S)


def test_readings_are_those_of_any_meter() -> None:
    meter = Dlt645Meter(READS, NUMBER, 1.0)
    line = line_with(meter, SimulatedMeter(VALUES))
    line.run(10.0)
    latest = {name: reading for _, name, reading in line.readings}
    assert {name: (reading.value, reading.unit) for name, reading in latest.items()} == {
        "meter_energy_wh": (12_345_670, "Wh"),
        "meter_voltage_v": (750.123, "V"),
        "meter_current_a": (-125.0001, "A"),
    }
    assert isinstance(latest["meter_energy_wh"].value, int)
    counts = {name: sum(1 for _, other, _ in line.readings if other == name) for name in latest}
    assert counts == {"meter_energy_wh": 2, "meter_voltage_v": 10, "meter_current_a": 10}
    assert meter.undecodable == 0


def test_the_unit_of_the_site_applies_to_energy_only() -> None:
    meter = Dlt645Meter(READS, NUMBER, 1.0, 0.1)
    line = line_with(meter, SimulatedMeter(VALUES))
    line.run(2.0)
    latest = {name: reading.value for _, name, reading in line.readings}
    assert (latest["meter_energy_wh"], latest["meter_voltage_v"]) == (1_234_567, 750.123)


def test_a_block_gives_all_its_items() -> None:
    line = line_with(Dlt645Meter([BLOCK], NUMBER, 1.0), SimulatedMeter(VALUES))
    line.run(0.5)
    assert [(name, reading.value) for _, name, reading in line.readings] == [
        (f"energy_{rate}", 1000 + 10 * rate) for rate in range(5)
    ]


@pytest.mark.parametrize("part_bytes", [1, 3, 4, 7, 19])
def test_a_value_in_several_frames_is_put_together(part_bytes: int) -> None:
    simulated = SimulatedMeter(VALUES, part_bytes)
    meter = Dlt645Meter([BLOCK], NUMBER, 30.0)
    line = line_with(meter, simulated)
    line.run(12.0)
    if part_bytes == 1:
        assert (line.readings, meter.undecodable) == ([], 1), "more than sixteen parts are not followed"
        return
    assert [reading.value for _, _, reading in line.readings] == [1000 + 10 * rate for rate in range(5)]
    parts = -(-20 // part_bytes)
    assert [frame.control for frame in simulated.asked] == [0x11] + [0x12] * (parts - 1)
    assert [frame.data[4] for frame in simulated.asked[1:]] == list(range(1, parts))
    # As old as its first part.
    assert line.readings[0][2].at_s == pytest.approx(50.0 + (20 + 12 + 8 + part_bytes) * CHARACTER_S + 0.05, abs=0.01)


def test_a_part_that_is_missing_gives_nothing_and_begins_anew() -> None:
    simulated = SimulatedMeter(VALUES, 7)
    line = line_with(Dlt645Meter([BLOCK], NUMBER, 1.0), simulated)

    def deaf_once(data: bytes, at_s: float) -> list[tuple[float, bytes]]:
        if find_frames(data)[0].control == READ_MORE and len(simulated.asked) < 3:
            simulated.asked += find_frames(data)
            return []
        return simulated(data, at_s)

    line.slave = deaf_once
    line.run(8.0)
    assert {reading.value for _, _, reading in line.readings} == {1000 + 10 * rate for rate in range(5)}
    assert line.master.counters[NUMBER].timeouts >= 1


def test_the_result_of_an_attempt_that_was_given_up_is_not_used() -> None:
    meter = Dlt645Meter([BLOCK], NUMBER, 1.0)
    [first] = meter.requests(0.0)
    stale = Request(NUMBER, BLOCK.identifier, 13, READ_MORE, 1, tag=first.tag + "+")
    assert meter.accept(Result(stale, data=bytes(13), at_s=0.2)) == []
    assert meter.accept(Result(first, data=VALUES[BLOCK.identifier], at_s=0.3)) != []
    assert meter.accept(Result(Request(NUMBER, 1, 1, tag="unknown"), data=b"\x00")) == []
    assert meter.accept(Result(ModbusRequest(1, 3, 0, 1, tag=first.tag))) == []


def test_the_rest_of_a_value_is_due_at_once() -> None:
    meter = Dlt645Meter([BLOCK], NUMBER, 30.0)
    [first] = meter.requests(0.0)
    assert meter.next_due(0.1) > 30.0
    assert meter.accept(Result(first, data=bytes(7), more=True, at_s=0.1)) == []
    assert meter.next_due(0.1) == 0.1
    [rest] = meter.requests(0.1)
    assert (rest.control, rest.sequence, rest.length) == (READ_MORE, 1, 13)


def test_more_that_does_not_fit_is_given_up() -> None:
    meter = Dlt645Meter([Read(ENERGY.identifier, (ENERGY,))], NUMBER, 1.0)
    [first] = meter.requests(0.0)
    assert meter.accept(Result(first, data=bytes(4), more=True, at_s=0.1)) == []
    assert meter.undecodable == 1
    [again] = meter.requests(2.0)
    assert again == first
    assert meter.accept(Result(again, data=bytes(3), at_s=2.1)) == []
    assert meter.undecodable == 2


def test_what_is_no_number_is_no_reading() -> None:
    values = {**VALUES, 0x02000200: b"\xff" * 4, 0x02000100: b"\x0a\x00\x00\x00"}
    meter = Dlt645Meter(READS, NUMBER, 1.0)
    line = line_with(meter, SimulatedMeter(values))
    line.run(1.0)
    assert {name for _, name, _ in line.readings} == {"meter_energy_wh"}
    assert meter.undecodable == 2


def test_vendor_values_may_be_binary() -> None:
    item = Item(0x00D10000, 4, "meter_energy_wh", "Wh", binary=True, whole=True, energy=True)
    line = line_with(
        Dlt645Meter([Read(item.identifier, (item,))], NUMBER, 1.0), SimulatedMeter({0x00D10000: b"\x87\xd6\x12\x00"})
    )
    line.run(0.5)
    assert [reading.value for _, _, reading in line.readings] == [1_234_567]


def test_a_refused_item_does_not_disturb_the_others() -> None:
    simulated = SimulatedMeter(VALUES)
    simulated.refuse = {0x02000200}
    line = line_with(Dlt645Meter(READS, NUMBER, 1.0), simulated)
    line.run(10.0)
    assert {name for _, name, _ in line.readings} == {"meter_energy_wh", "meter_current_a"}
    assert line.master.counters[NUMBER].exceptions == 10


@pytest.mark.parametrize(
    ("reads", "address", "unit", "says"),
    [
        ([], NUMBER, 1.0, "no signal to read"),
        ([READS[0], READS[0]], NUMBER, 1.0, "twice"),
        (READS, NUMBER, 0.0, "not positive"),
        (READS, NUMBER, float("nan"), "not positive"),
        (READS, "161", 1.0, "twelve digits"),
        (READS, "9" * 12, 1.0, "broadcast"),
    ],
)
def test_what_cannot_be_read_is_said_at_once(reads: list[Read], address: str, unit: float, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Dlt645Meter(reads, address, 1.0, unit)


class TestReferencePackage:
    """The ``dlt645`` package against our codec, both ways."""

    @pytest.fixture
    def free_port(self) -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    def test_its_client_reads_our_frames(self, free_port: int) -> None:
        dlt645 = pytest.importorskip("dlt645.service.clientsvc.client_service")
        simulated = SimulatedMeter({0x00010000: encode_bcd(1234567, 4), 0x02010100: encode_bcd(2215, 2)})
        listener = socket.create_server(("127.0.0.1", free_port))
        listener.settimeout(20.0)
        thread = threading.Thread(target=serve, args=(listener, simulated), daemon=True)
        thread.start()
        client = dlt645.MeterClientService.new_tcp_client("127.0.0.1", free_port, timeout=10.0)
        client.set_address(PACKAGE_NUMBER)
        assert client.read_00(0x00010000).value == pytest.approx(12345.67)
        assert client.read_02(0x02010100).value == pytest.approx(221.5)
        client.client.disconnect()
        listener.close()
        thread.join(10.0)
        assert [frame.address for frame in simulated.asked] == [NUMBER, NUMBER]

    def test_our_driver_reads_its_server(self, free_port: int) -> None:
        module = pytest.importorskip("dlt645.service.serversvc.server_service")
        server = module.MeterServerService.new_tcp_server("127.0.0.1", free_port)
        server.set_address(PACKAGE_NUMBER)
        server.set_00(0x00010000, 12345.67)
        server.set_02(0x02010100, 221.5)
        server.set_02(0x02020100, -12.345)
        threading.Thread(target=server.start, daemon=True).start()
        meter = Dlt645Meter(
            [
                Read(0x00010000, (ENERGY,)),
                Read(0x02010100, (Item(0x02010100, 2, "voltage_l1_v", "V", Fraction(1, 10)),)),
                Read(0x02020100, (Item(0x02020100, 3, "current_l1_a", "A", Fraction(1, 1000), signed=True),)),
            ],
            NUMBER,
            1.0,
        )
        with connected(free_port) as stream:
            line = line_with(meter, SimulatedMeter({}))

            def over_the_network(data: bytes, at_s: float) -> list[tuple[float, bytes]]:
                stream.sendall(data)
                return [(at_s + 0.05, stream.recv(300))]

            line.slave = over_the_network
            line.run(0.9)
        server.stop()
        values = {name: reading.value for _, name, reading in line.readings}
        assert values == {"meter_energy_wh": 12_345_670, "voltage_l1_v": 221.5, "current_l1_a": -12.345}


def serve(listener: socket.socket, simulated: SimulatedMeter) -> None:
    """Answer one client until it goes."""
    try:
        stream, _ = listener.accept()
    except OSError:
        return
    with stream:
        while data := stream.recv(300):
            for request in find_frames(data):
                stream.sendall(simulated.reply(request))


def connected(port: int) -> socket.socket:
    """A client socket; the server may need a moment to listen."""
    deadline = threading.Event()
    for _ in range(100):
        try:
            return socket.create_connection(("127.0.0.1", port), 10.0)
        except ConnectionRefusedError:
            deadline.wait(0.05)
    raise AssertionError("the server does not listen")

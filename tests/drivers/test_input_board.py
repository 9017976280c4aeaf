"""A board whose contacts are read and on which nothing is ever written."""

import pytest
from boards import INPUTS, board_of

from drivers.inputs_outputs.modbus_board import ModbusBoard
from drivers.inputs_outputs.wires import InputWire, Wires
from drivers.line.owner import LineOwner, Result
from drivers.modbus import codec

WIRING = Wires(inputs={"door_open": InputWire(1, True), "smoke_detected": InputWire(3, False)})


def test_it_asks_for_inputs_and_for_nothing_else() -> None:
    board = board_of(INPUTS, WIRING, 5, 0.1)
    asked = [
        request for step in range(200) for request in board.requests(step * 0.05) if not board_done(board, request)
    ]
    assert len(asked) > 50
    assert {(request.address, request.function, request.register, request.count) for request in asked} == {
        (5, codec.READ_DISCRETE_INPUTS, 0, 8)
    }


def board_done(board: ModbusBoard, request: codec.Request) -> bool:
    board.accept(Result(request, bits=(False,) * 8))
    return False


def exchange(board: ModbusBoard, reply: bytes | None) -> list[tuple[str, bool]]:
    """One request and its answer through the owner of a line."""
    master = LineOwner(115200)
    master.attach(board.address, board.timing)
    now_s = 10.0
    (request,) = board.requests(now_s)
    assert board.requests(now_s) == [], "one at a time"
    master.submit(request, now_s)
    while master.poll(now_s) is None or not master.idle:
        now_s += 0.001
        if reply is not None and now_s > 10.004:
            master.receive(reply, now_s)
            reply = None
        if master.has_results:
            break
    return [(name, bool(reading.value)) for result in master.results() for name, reading in board.accept(result)]


def framed(data: bytes) -> bytes:
    return data + codec.checksum(data)


@pytest.mark.parametrize(
    ("bits", "expected"),
    [
        (0b0000_0000, [("door_open", True), ("smoke_detected", False)]),
        (0b0000_0010, [("door_open", False), ("smoke_detected", False)]),
        (0b0000_1010, [("door_open", False), ("smoke_detected", True)]),
    ],
)
def test_the_contacts_by_name(bits: int, expected: list[tuple[str, bool]]) -> None:
    board = board_of(INPUTS, WIRING, 5, 0.1)
    assert exchange(board, framed(bytes((5, 2, 1, bits)))) == expected
    assert board.next_due(10.05) == pytest.approx(10.1)


def test_a_board_that_is_silent_says_nothing() -> None:
    assert exchange(board_of(INPUTS, WIRING, 5, 0.1), None) == []


def test_a_channel_is_used_once_and_exists() -> None:
    with pytest.raises(ValueError, match="twice"):
        board_of(INPUTS, Wires(inputs={"a": InputWire(0, True), "b": InputWire(0, True)}))
    with pytest.raises(ValueError, match="not within"):
        board_of(INPUTS, Wires(inputs={"a": InputWire(8, True)}))

"""The relay board's timed pulses, in virtual time."""

import pytest

from hil_tests.bench.relay_board import RelayBoard


def test_a_pulse_ends_by_the_boards_own_timer() -> None:
    board = RelayBoard()
    assert board.write_single(0x0200, 10, 100.0)
    assert board.closed(100.999)[0]
    assert not board.closed(101.0)[0]


def test_renewal_restarts_the_timer_without_a_gap() -> None:
    board = RelayBoard()
    for renewal in range(10):
        board.write_single(0x0201, 10, 0.3 * renewal)
        assert board.closed(0.3 * renewal)[1]
    assert board.closed(3.69)[1]
    assert not board.closed(3.71)[1]


def test_plain_off_ends_a_pulse_at_once_and_for_good() -> None:
    board = RelayBoard()
    board.write_single(0x0200, 10, 0.0)
    board.write_single(0, 0x0000, 0.5)
    assert not board.closed(0.5)[0]
    assert not board.closed(1.5)[0]


def test_plain_on_has_no_timer_even_after_a_pulse() -> None:
    board = RelayBoard()
    board.write_single(0x0203, 5, 0.0)
    board.write_single(3, 0xFF00, 0.1)
    assert board.closed(1000.0)[3]


def test_an_off_pulse_comes_back_on() -> None:
    board = RelayBoard()
    board.write_single(2, 0xFF00, 0.0)
    board.write_single(0x0402, 3, 1.0)
    assert not board.closed(1.2)[2]
    assert board.closed(1.3)[2]


def test_all_relays_by_one_write() -> None:
    board = RelayBoard()
    board.write_single(0x00FF, 0xFF00, 0.0)
    assert all(board.closed(0.0))
    board.write_single(5, 0x0000, 0.0)
    board.write_single(0x01FF, 0xFF00, 0.0)
    assert board.closed(0.0) == (False, False, False, False, False, True, False, False)
    board.write_single(0x00FF, 0x0000, 0.0)
    assert not any(board.closed(0.0))


def test_many_relays_by_function_15() -> None:
    board = RelayBoard()
    assert board.write_many(1, [True, False, True], 0.0)
    assert board.closed(0.0) == (False, True, False, True, False, False, False, False)
    assert not board.write_many(6, [True, True, True], 0.0)


@pytest.mark.parametrize(("address", "value"), [(8, 0xFF00), (0x0208, 10), (0x0300, 10), (0, 0x1234), (0x0200, 0)])
def test_unknown_address_or_value_is_refused(address: int, value: int) -> None:
    board = RelayBoard()
    assert not board.write_single(address, value, 0.0)
    assert not any(board.closed(0.0))

"""What every relay board on a line owes: the test of a driver inherits ``OutputsContract``."""

from typing import Protocol

import pytest

from contracts.line_device import DeviceLine
from drivers.contracts import Outputs

SETTLE_S = 2.5
"""Long enough for a read-back and a watchdog, each once a second."""


class RelayDevice(Protocol):
    """A simulated board with relays."""

    def relays(self, now_s: float) -> list[bool]:
        """State of the relays."""

    def restart(self) -> None:
        """Its supply was interrupted."""

    def ask(self, function: int, register: int, count: int, now_s: float) -> list[int] | list[bool] | int | None:
        """See hil_tests.bench.line_devices."""


class OutputsContract:
    """Output ``first`` on channel 0, timed if ``TIMED``; ``second`` on channel 1, ``held`` on channel 2, not timed."""

    TIMED = True

    def outputs_line(self) -> tuple[DeviceLine, Outputs, RelayDevice]:
        """A line with the board, its driver (``held`` is held), and the simulated device."""
        raise NotImplementedError

    def close_by_hand(self, device: RelayDevice, channel: int, now_s: float) -> None:
        """Close a relay past the driver."""
        device.ask(5, channel, 0xFF00, now_s)

    def test_outputs_that_are_found_closed_are_opened_but_for_those_that_are_held(self) -> None:
        line, outputs, device = self.outputs_line()
        for channel in range(3):
            self.close_by_hand(device, channel, line.now_s)
        line.run(SETTLE_S)
        assert device.relays(line.now_s)[:3] == [False, False, True]
        assert outputs.wanted == {"first": False, "second": False, "held": None}

    def test_on_and_off_reach_the_board_and_are_read_back(self) -> None:
        line, outputs, device = self.outputs_line()
        line.run(SETTLE_S)
        for name in ("first", "second"):
            outputs.set_output(name, True, line.now_s)
        line.run(SETTLE_S)
        assert device.relays(line.now_s)[:2] == [True, True]
        assert outputs.read_back["first"].value is True
        outputs.set_output("first", False, line.now_s)
        line.run(0.1)
        assert device.relays(line.now_s)[:2] == [False, True]
        line.run(SETTLE_S)
        assert device.relays(line.now_s)[:2] == [False, True]

    def test_an_output_that_is_wanted_stays_closed_without_a_gap(self) -> None:
        line, outputs, device = self.outputs_line()
        line.run(SETTLE_S)
        outputs.set_output("first", True, line.now_s)
        line.run(1.5)
        for _ in range(200):
            line.run(0.02)
            assert device.relays(line.now_s)[0]

    def test_a_timed_output_opens_when_the_driver_stops(self) -> None:
        line, outputs, device = self.outputs_line()
        line.run(SETTLE_S)
        outputs.set_output("first", True, line.now_s)
        line.run(SETTLE_S)
        stopped_s = line.now_s
        assert device.relays(stopped_s)[0] is True
        assert device.relays(stopped_s + 3.0)[0] is not self.TIMED

    def test_off_is_repeated_until_the_board_confirms_it(self) -> None:
        line, outputs, device = self.outputs_line()
        line.run(SETTLE_S)
        outputs.set_output("second", True, line.now_s)
        line.run(SETTLE_S)
        line.dead = True
        outputs.set_output("second", False, line.now_s)
        line.run(6.0)
        line.dead = False
        line.run(2.5)
        assert device.relays(line.now_s)[1] is False

    def test_an_on_of_the_past_is_not_sent(self) -> None:
        line, outputs, device = self.outputs_line()
        line.run(SETTLE_S)
        line.dead = True
        outputs.set_output("first", True, line.now_s)
        line.run(1.0)
        outputs.set_output("first", False, line.now_s)
        line.run(1.0)
        line.dead = False
        for _ in range(200):
            line.run(0.02)
            assert device.relays(line.now_s)[0] is False

    def test_the_state_that_is_wanted_comes_back_after_a_restart_of_the_board(self) -> None:
        line, outputs, device = self.outputs_line()
        line.run(SETTLE_S)
        for name in ("first", "second"):
            outputs.set_output(name, True, line.now_s)
        line.run(SETTLE_S)
        device.restart()
        line.run(2 * SETTLE_S)
        assert device.relays(line.now_s)[:2] == [True, True]

    def test_a_relay_that_is_closed_against_the_command_is_opened(self) -> None:
        line, _, device = self.outputs_line()
        line.run(SETTLE_S)
        self.close_by_hand(device, 0, line.now_s)
        line.run(SETTLE_S)
        assert device.relays(line.now_s)[0] is False

    def test_all_off_leaves_what_is_kept(self) -> None:
        line, outputs, device = self.outputs_line()
        line.run(SETTLE_S)
        for name in ("first", "second"):
            outputs.set_output(name, True, line.now_s)
        line.run(SETTLE_S)
        outputs.all_off(line.now_s, keep=("second", "held"))
        line.run(0.1)
        assert device.relays(line.now_s)[:2] == [False, True]
        assert outputs.wanted["held"] is None

    def test_an_unknown_output_is_an_error(self) -> None:
        line, outputs, _ = self.outputs_line()
        with pytest.raises(KeyError):
            outputs.set_output("third", True, line.now_s)

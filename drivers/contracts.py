"""What each kind of driver owes to those who use it: in prose, and as a Protocol that mypy checks.

For all of them:

- *Sans-I/O.* A driver takes bytes, frames or results and the time, and gives back what to send. It has no clock, never
  sleeps, starts no thread and opens nothing. Times are seconds of the monotonic clock.
- *Readings.* A value leaves a driver as a ``Reading``: value, unit, the time at which its bytes arrived, quality. A
  driver never repeats an old value with a new time. A value that is known to be wrong is of quality ``FAILED`` (broken
  wire, invalid by the device's own word); one that is measured but not to be relied on is ``SUSPECT``. What was not
  received is not delivered: silence makes a value stale, and stale is no value.
- *Errors.* Bytes that are not for it, too short, or nonsense are ignored and counted; they never raise. Arguments that
  make no sense raise ValueError at once, unknown names KeyError.
- *After loss.* A device that returns is used again without being asked for it, with the state that is wanted by then,
  never with one of the past.
- *Sharing.* Several devices share a line; a driver takes only what its own device sent.

What a CAN port owes: see ``drivers.can.port.CanPort``, where ports are opened.

For each kind there is a test suite in tests/drivers/contracts that the test of every driver inherits.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from drivers.can.frame import CanFrame
from drivers.can.port import CanPort
from drivers.line.device import Device
from drivers.reading import Reading


class PowerStage(Protocol):
    """One group of DC power modules that are switched together, on a CAN line that it may share with other groups.

    Start-up: off; nothing switches a module on before the first ``set_point`` with ``on``, and a module starts with
    the set point of now. Off under load: off goes out before anything else that waits, at the next ``poll`` that the
    frame spacing allows. A set point holds for 1 s from the ``poll`` after it, then the group is off by itself. The
    sum of what the modules are asked to deliver is never above the current that is asked for, also while modules are
    lost or return. After loss: a module that is silent is missing in the readings once they are too old (quality
    suspect until it counts as gone), and with no module heard for 3 s there are no readings at all. Frames of other
    groups, other senders, wrong length or format change nothing; no frame of this driver acts on a module of another
    group.
    """

    def set_point(self, voltage_v: float, current_a: float, on: bool) -> None:
        """Ask for a voltage in V and a total current in A. Raises ValueError for a negative or undefined value."""

    def receive(self, frame: CanFrame) -> None:
        """Take a frame of the line; ``frame.at_s`` is the time of its arrival. Never raises."""

    def poll(self, now_s: float) -> list[CanFrame]:
        """The frames to send now, at most one at a time."""

    def next_due(self, now_s: float) -> float:
        """Earliest time at which ``poll`` has something to send; never before ``now_s``."""

    def readings(self, now_s: float) -> list[tuple[str, Reading]]:
        """The signals of the group.

        module_count, module_voltage_v (the highest), module_current_a (the sum), module_fault,
        module_temperature_c (the hottest), module_maximum_current_a (of the modules in service).
        """

    def status(self) -> Mapping[int, Mapping[str, object]]:
        """What is known of each module, by address, for people."""


class Inputs(Device, Protocol):
    """A board of contacts. ``accept`` delivers each wired contact as a bool; which level is true is its wiring's.

    Start-up: nothing is delivered before the board has answered. After loss: nothing while it is silent. A board
    without wired outputs is only read.
    """


class Analogue(Device, Protocol):
    """A board of analogue inputs. ``accept`` delivers each wired channel in the unit of its signal.

    A raw value outside the span (below a live zero, above the range), a code of an open or shorted sensor and a value
    outside its table are of quality ``FAILED``; they are delivered, so that a broken wire differs from a silent
    board.
    """


class Outputs(Protocol):
    """A board of relays, on a line or as pins of the computer.

    Start-up: every output is commanded off but those that are held, which stay as they are found until commanded. An
    output that is wired as timed is closed only in a way in which the board opens it by itself when the requests stop;
    on a board that cannot do that it is refused (ValueError). Off goes before everything else, is repeated until the
    board confirms it, and is written again when the board reads back closed. After loss: the state that is wanted by
    then; an "on" that waited is not sent late.
    """

    @property
    def wanted(self) -> Mapping[str, bool | None]:
        """What each output is commanded to be; None for one that was never commanded."""

    @property
    def read_back(self) -> Mapping[str, Reading]:
        """Last state that the board reported, by output."""

    def set_output(self, name: str, on: bool, now_s: float) -> None:
        """Command an output. Raises KeyError if there is none of that name."""

    def all_off(self, now_s: float, *, keep: Collection[str] = ()) -> None:
        """Command every output off but those in ``keep``."""


class InsulationMonitor(Device, Protocol):
    """A monitor of the resistance of both poles to earth. It only reads.

    ``accept`` delivers insulation_plus_kohm and insulation_minus_kohm. A monitor that knows only one total resistance
    delivers it for both: it is not above the lower of the two. An upper bound ("smaller than shown"), a running
    self-test or a wiring fault makes the value ``SUSPECT``; a device error, an invalid or impossible value ``FAILED``:
    neither may ever pass for good insulation. When to measure is decided by the user of the driver.
    """

    @property
    def conditions(self) -> Sequence[tuple[str, str]]:
        """Flags and codes that the device shows, as (zh, en)."""

    @property
    def values(self) -> Mapping[str, Reading]:
        """The last reading of all that it measures, its own voltages included."""


class Meter(Device, Protocol):
    """An energy meter. It is never written to.

    ``accept`` delivers signals in their units; energy is whole Wh, rounded down, and never made up: a register that
    did not come, or reads as its no-value pattern, is absent. Values that depend on each other (mantissa and exponent)
    come from one reply. Meters on one line are distinguished by their address alone.
    """


__all__ = ["Analogue", "CanPort", "Inputs", "InsulationMonitor", "Meter", "Outputs", "PowerStage"]

"""Opening USB adapters through python-can's own buses, on makers' libraries that are played."""

import sys
import time
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import can
import pytest
from can.interfaces import pcan as pcan_module
from can.interfaces.pcan import basic
from can.interfaces.pcan import pcan as pcan_library

from drivers.can import CAN_INTERFACES, adapter_port
from drivers.can.adapter_port import AdapterPort
from drivers.can.adapters import _ADAPTERS, open_adapter, pcan_state
from drivers.can.frame import CanFrame
from drivers.can.interfaces import VIRTUAL
from drivers.can.port import open_can_port
from drivers.can.state import BusState
from drivers.errors import PortError

FRAME = CanFrame(0x1826F456, b"\x01\x02")


def until(condition: Callable[[], object], timeout_s: float = 5.0) -> None:
    end_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end_s, "does not happen"
        time.sleep(0.002)


def ready(port: AdapterPort) -> AdapterPort:
    until(lambda: port.is_ready(time.monotonic()))
    return port


def refusal(interface: str, channel: str, bitrate_bps: int = 250_000, *, listen_only: bool = False) -> str:
    """The error of an opening that fails, at once or in its thread."""
    port: AdapterPort | None = None
    try:
        port = open_adapter(interface, channel, bitrate_bps, listen_only=listen_only)
        until(lambda: port.is_ready(time.monotonic()))
    except PortError as error:
        return str(error)
    finally:
        if port is not None:
            port.close()
            until(lambda: not any(thread.is_alive() for thread in adapter_port._running.values()))
    raise AssertionError("it was opened")


@pytest.fixture(autouse=True)
def _all_threads_end() -> Iterator[None]:
    yield
    until(lambda: not any(thread.is_alive() for thread in adapter_port._running.values()))


def test_every_interface_of_a_site_file_has_a_way_to_be_opened() -> None:
    assert {"socketcan", "slcan", *_ADAPTERS} == {*CAN_INTERFACES, VIRTUAL}


@pytest.mark.parametrize(
    ("interface", "package", "words"),
    [
        ("canalystii", "canalystii", "pip install 'pile-agent[adapters]'"),
        ("gs_usb", "usb", "libusb-1.0"),
        ("gs_usb", "gs_usb", "interface socketcan"),
    ],
)
def test_a_missing_package_is_an_error_that_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, interface: str, package: str, words: str
) -> None:
    monkeypatch.delitem(sys.modules, f"can.interfaces.{interface}", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(PortError) as caught:
        open_can_port(interface, "0", 250_000)
    assert f"the driver of {interface} is missing" in caught.value.what
    assert words in caught.value.hint


@pytest.mark.parametrize("interface", ["canalystii", "gs_usb"])
def test_an_adapter_that_cannot_listen_only_is_refused_to_a_listener(interface: str) -> None:
    text = refusal(interface, "0", listen_only=True)
    assert "cannot be opened listen-only" in text
    assert "socketcan with listen-only on" in text


# PCAN: python-can's own bus on PCAN-Basic.


class PcanBasic:
    """PCAN-Basic without hardware."""

    def __init__(self) -> None:
        self.values: dict[int, Any] = {}
        self.initialised: tuple[Any, ...] = ()
        self.result = basic.PCAN_ERROR_OK
        self.status = basic.PCAN_ERROR_OK
        self.listens = True
        self.read_error = basic.PCAN_ERROR_QRCVEMPTY
        self.written: list[Any] = []
        self.uninitialised = 0

    def GetValue(self, handle: Any, parameter: Any) -> tuple[int, Any]:  # noqa: N802
        if parameter == basic.PCAN_API_VERSION:
            return basic.PCAN_ERROR_OK, b"4.9.0.1"
        if parameter == basic.PCAN_LISTEN_ONLY and not self.listens:
            return basic.PCAN_ERROR_OK, 0
        if parameter == basic.PCAN_RECEIVE_EVENT:
            return basic.PCAN_ERROR_OK, sys.__stderr__.fileno() if sys.__stderr__ else 2
        return basic.PCAN_ERROR_OK, self.values.get(parameter.value, 0)

    def SetValue(self, handle: Any, parameter: Any, value: Any) -> int:  # noqa: N802
        self.values[parameter.value] = value
        return int(basic.PCAN_ERROR_OK)

    def Initialize(self, *arguments: Any) -> int:  # noqa: N802
        self.initialised = arguments
        return int(self.result)

    def Uninitialize(self, handle: Any) -> int:  # noqa: N802
        self.uninitialised += 1
        return int(basic.PCAN_ERROR_OK)

    def GetErrorText(self, error: int, language: int) -> tuple[int, bytes]:  # noqa: N802
        return basic.PCAN_ERROR_OK, b"hardware was not found"

    def GetStatus(self, handle: Any) -> int:  # noqa: N802
        return int(self.status)

    def Read(self, handle: Any) -> tuple[int, Any, Any]:  # noqa: N802
        time.sleep(0.002)
        return self.read_error, None, None

    def Write(self, handle: Any, message: Any) -> int:  # noqa: N802
        self.written.append((message.ID, bytes(message.DATA[: message.LEN])))
        return int(basic.PCAN_ERROR_OK)


@pytest.fixture
def pcan(monkeypatch: pytest.MonkeyPatch) -> PcanBasic:
    played = PcanBasic()
    monkeypatch.setattr(pcan_library, "PCANBasic", lambda: played)
    monkeypatch.setattr(pcan_library, "HAS_EVENTS", False)
    return played


def test_pcan_is_opened_at_the_bit_rate_and_sends(pcan: PcanBasic) -> None:
    port = ready(open_adapter("pcan", "PCAN_USBBUS1", 250_000))
    assert pcan.initialised[:2] == (basic.PCAN_USBBUS1, basic.PCAN_BAUD_250K)
    assert pcan.values[basic.PCAN_LISTEN_ONLY.value] == basic.PCAN_PARAMETER_OFF
    assert basic.PCAN_BUSOFF_AUTORESET.value not in pcan.values, "bus-off is seen, not hidden"
    assert port.send(FRAME)
    until(lambda: pcan.written)
    assert pcan.written == [(FRAME.identifier, FRAME.data)]
    pcan.status = basic.PCAN_ERROR_BUSOFF
    until(lambda: port.state is BusState.OFF)
    port.close()
    until(lambda: pcan.uninitialised)


def test_pcan_goes_into_listen_only_mode_or_is_refused(pcan: PcanBasic) -> None:
    port = ready(open_adapter("pcan", "PCAN_USBBUS1", 250_000, listen_only=True))
    assert pcan.values[basic.PCAN_LISTEN_ONLY.value] == basic.PCAN_PARAMETER_ON
    assert port.send(FRAME) is False
    port.close()
    until(lambda: pcan.uninitialised)
    pcan.listens = False
    assert "does not go into listen-only mode" in refusal("pcan", "PCAN_USBBUS2", listen_only=True)
    assert pcan.uninitialised == 2


def test_pcan_refuses_what_it_does_not_know(pcan: PcanBasic) -> None:
    assert "cannot be set to 123456 bit/s" in refusal("pcan", "PCAN_USBBUS1", 123_456)
    assert "PCAN_USBBUS1" in refusal("pcan", "can0")
    pcan.result = basic.PCAN_ERROR_ILLHW
    text = refusal("pcan", "PCAN_USBBUS3")
    assert "hardware was not found" in text
    assert "plugged in" in text


def test_pcan_without_its_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise OSError("pcanbasic library not found.")

    monkeypatch.setattr(pcan_library, "PCANBasic", missing)
    assert "PCAN-Basic for Linux (libpcanbasic.so)" in refusal("pcan", "PCAN_USBBUS1")


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (basic.PCAN_ERROR_OK, BusState.ACTIVE),
        (basic.PCAN_ERROR_QRCVEMPTY, BusState.ACTIVE),
        (basic.PCAN_ERROR_BUSLIGHT, BusState.WARNING),
        (basic.PCAN_ERROR_BUSHEAVY, BusState.WARNING),
        (basic.PCAN_ERROR_BUSPASSIVE | basic.PCAN_ERROR_BUSHEAVY, BusState.PASSIVE),
        (basic.PCAN_ERROR_BUSOFF | basic.PCAN_ERROR_BUSPASSIVE, BusState.OFF),
    ],
)
def test_the_status_word_of_pcan(status: int, state: BusState) -> None:
    assert pcan_state(basic, status) is state
    assert pcan_module.PcanBus is pcan_library.PcanBus


# CANalyst-II: python-can's own bus on the package canalystii.


class CanalystDevice:
    """The device of the package canalystii."""

    made: "CanalystDevice"
    error: Exception | None = None

    def __init__(self, device_index: int) -> None:
        if CanalystDevice.error is not None:
            raise CanalystDevice.error
        self.settings: list[tuple[int, int | None]] = []
        self.waiting: list[Any] = []
        self.sent: list[tuple[int, Any]] = []
        self.stopped: list[int] = []
        CanalystDevice.made = self

    def init(self, channel: int, bitrate: int | None = None) -> None:
        self.settings.append((channel, bitrate))

    def receive(self, channel: int) -> list[Any]:
        waiting, self.waiting = self.waiting, []
        return waiting

    def send(self, channel: int, messages: list[Any], timeout: float | None) -> None:
        assert timeout is None, "a time-out makes the library ask the device without a pause"
        self.sent.extend((channel, message) for message in messages)

    def stop(self, channel: int) -> None:
        self.stopped.append(channel)


@pytest.fixture
def canalyst(monkeypatch: pytest.MonkeyPatch) -> type[CanalystDevice]:
    package, device = ModuleType("canalystii"), ModuleType("canalystii.device")
    package.CanalystDevice = CanalystDevice  # type: ignore[attr-defined]
    package.Message = lambda *fields: SimpleNamespace(fields=fields)  # type: ignore[attr-defined]
    device.TIMINGS = {250_000: (1, 0x1C)}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "canalystii", package)
    monkeypatch.setitem(sys.modules, "canalystii.device", device)
    monkeypatch.delitem(sys.modules, "can.interfaces.canalystii", raising=False)
    CanalystDevice.error = None
    return CanalystDevice


def test_canalyst_reads_and_sends_on_its_channel(canalyst: type[CanalystDevice]) -> None:
    port = ready(open_adapter("canalystii", "1", 250_000))
    device = canalyst.made
    assert device.settings == [(1, 250_000)]
    device.waiting = [
        SimpleNamespace(timestamp=50, can_id=0x1826F456, extended=True, remote=False, data_len=2, data=bytes(8))
    ]
    until(lambda: port._input)
    (frame,) = port.receive(time.monotonic())
    assert (frame.identifier, frame.data) == (0x1826F456, bytes(2))
    assert port.send(FRAME)
    until(lambda: device.sent)
    assert (device.sent[0][0], device.sent[0][1].fields[0]) == (1, FRAME.identifier)
    port.close()
    until(lambda: device.stopped == [1])


def test_canalyst_refuses_what_it_does_not_know(canalyst: type[CanalystDevice]) -> None:
    assert "cannot be set to 125000 bit/s" in refusal("canalystii", "0", 125_000)
    assert "channels 0 and 1" in refusal("canalystii", "2")
    assert "counts its channels from 0" in refusal("canalystii", "can0")
    canalyst.error = ValueError("No Canalyst-II USB device found")
    assert "No Canalyst-II USB device found" in refusal("canalystii", "1")


# Kvaser and gs_usb: their buses in python-can need the makers' libraries to be imported at all.


class LibraryBus(can.BusABC):
    """A bus of python-can that was opened with these arguments."""

    opened: "list[tuple[tuple[Any, ...], dict[str, Any]]]" = []  # noqa: RUF012
    error: Exception | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        if LibraryBus.error is not None:
            raise LibraryBus.error
        LibraryBus.opened.append((arguments, options))
        super().__init__(channel="x")

    def recv(self, timeout: float | None = None) -> None:
        time.sleep(0.002)

    def send(self, msg: can.Message, timeout: float | None = None) -> None:
        raise AssertionError("nothing is sent here")


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    LibraryBus.opened.clear()
    LibraryBus.error = None
    canlib = ModuleType("can.interfaces.kvaser.canlib")
    canlib.canOpenChannel = print  # type: ignore[attr-defined]
    canlib.BITRATE_OBJS = {250_000: -3}  # type: ignore[attr-defined]
    canlib.DRIVER_MODE_SILENT, canlib.DRIVER_MODE_NORMAL = False, True  # type: ignore[attr-defined]
    for name, bus_class in (("kvaser", "KvaserBus"), ("gs_usb", "GsUsbBus")):
        module = ModuleType(f"can.interfaces.{name}")
        setattr(module, bus_class, LibraryBus)
        monkeypatch.setitem(sys.modules, f"can.interfaces.{name}", module)
    monkeypatch.setitem(sys.modules, "can.interfaces.kvaser.canlib", canlib)
    return canlib


@pytest.mark.parametrize("listen_only", [False, True])
@pytest.mark.usefixtures("library")
def test_kvaser_is_opened_for_this_program_alone(listen_only: bool) -> None:
    port = ready(open_adapter("kvaser", "2", 250_000, listen_only=listen_only))
    expected = {"bitrate": 250_000, "driver_mode": not listen_only, "exclusive": True, "accept_virtual": False}
    assert LibraryBus.opened == [((2,), expected)]
    port.close()


def test_kvaser_refuses_what_it_does_not_know(library: ModuleType) -> None:
    assert "cannot be set to 123456 bit/s" in refusal("kvaser", "0", 123_456)
    assert "counts its channels from 0" in refusal("kvaser", "-1")
    LibraryBus.error = can.CanInitializationError("Function canSetBusOutputControl failed - not implemented")
    assert "canSetBusOutputControl failed" in refusal("kvaser", "1", listen_only=True)
    del library.canOpenChannel
    assert "linuxcan (libcanlib.so)" in refusal("kvaser", "3")


@pytest.mark.usefixtures("library")
def test_gs_usb_is_opened_by_its_number() -> None:
    port = ready(open_adapter("gs_usb", "0", 250_000))
    assert LibraryBus.opened == [((), {"channel": 0, "bitrate": 250_000})]
    port.close()
    LibraryBus.error = ValueError("no suitable bit timing")
    assert "cannot be set to 250000 bit/s (no suitable bit timing)" in refusal("gs_usb", "1")
    LibraryBus.error = can.CanInitializationError("Cannot find device 2. Devices found: 0")
    assert "Cannot find device 2" in refusal("gs_usb", "2")
    assert "counts its channels from 0" in refusal("gs_usb", "")


def test_the_importable_interfaces_of_the_library_exist() -> None:
    """The names of modules and classes are those of the python-can that is installed."""
    from can.interfaces import BACKENDS

    for interface in CAN_INTERFACES:
        module = BACKENDS[interface][0]
        assert module == _ADAPTERS.get(interface, (f"can.interfaces.{interface}",))[0]

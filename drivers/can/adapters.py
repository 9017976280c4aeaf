"""Opens the USB adapters of python-can: the library each needs, its settings, and what to install if it is missing."""

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

from drivers.can import messages  # noqa: F401  # quiets the library's log before its interfaces are loaded
from drivers.can.adapter_port import Adapter, AdapterPort
from drivers.can.interfaces import VIRTUAL
from drivers.can.state import BusState
from drivers.errors import PortError

Opener = Callable[[ModuleType, str, int, bool], Adapter]

_KERNEL_INSTEAD = (
    "Use its kernel driver as interface socketcan with listen-only on, or an adapter that can be opened listen-only."
)
_CANALYST_POLL_S = 0.005
"""Own: the library cannot wait for a frame; a question takes about a millisecond on USB."""


def open_adapter(interface: str, channel: str, bitrate_bps: int, *, listen_only: bool = False) -> AdapterPort:
    """Begin to open an adapter. Raises PortError if its library is missing or it has no listen-only mode.

    The library is loaded here, once, which takes some tens of milliseconds; all else happens in a thread.
    """
    module_name, opener, cure = _ADAPTERS[interface]
    if listen_only and interface in _NEVER_LISTEN_ONLY:
        raise PortError(f"{interface} cannot be opened listen-only", channel, _KERNEL_INSTEAD)
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise PortError(f"the driver of {interface} is missing ({error})", channel, cure) from error

    def open_bus() -> Adapter:
        return opener(module, channel, bitrate_bps, listen_only)

    return AdapterPort(f"{interface} {channel}", open_bus, listen_only=listen_only)


def _number(interface: str, channel: str) -> int:
    if not channel.isdecimal():
        raise PortError(f"{interface} counts its channels from 0", channel, "Give a number as channel.")
    return int(channel)


def _no_bit_rate(interface: str, channel: str, bitrate_bps: int, error: Exception | None = None) -> PortError:
    detail = "" if error is None else f" ({error})"
    return PortError(
        f"{interface} cannot be set to {bitrate_bps} bit/s{detail}",
        channel,
        "Correct bitrate_bps of this bus, or use another adapter.",
    )


def _not_found(interface: str, channel: str, error: Exception) -> PortError:
    return PortError(
        f"no {interface} adapter can be opened here ({error})",
        channel,
        "Check that it is plugged in, that its number is right, and that the user of the service may use the device.",
    )


def _open_canalystii(module: ModuleType, channel: str, bitrate_bps: int, listen_only: bool) -> Adapter:
    timings = importlib.import_module("canalystii.device").TIMINGS
    if bitrate_bps not in timings:
        raise _no_bit_rate("canalystii", channel, bitrate_bps)
    number = _number("canalystii", channel)
    if number > 1:
        raise PortError("canalystii has the channels 0 and 1", channel, "Correct channel of this bus.")
    try:
        bus = module.CANalystIIBus(channel=number, bitrate=bitrate_bps, rx_queue_size=2000)
    except Exception as error:
        raise _not_found("canalystii", channel, error) from error
    return Adapter(bus, wait_s=0.0, pause_s=_CANALYST_POLL_S)


def _open_pcan(module: ModuleType, channel: str, bitrate_bps: int, listen_only: bool) -> Adapter:
    import can
    from can.interfaces.pcan import basic

    # python-can takes 500 kbit/s for a rate it does not know.
    if bitrate_bps not in basic.PCAN_BITRATES:
        raise _no_bit_rate("pcan", channel, bitrate_bps)
    if channel not in basic.PCAN_CHANNEL_NAMES:
        raise PortError("pcan has no channel of this name", channel, "Give one like PCAN_USBBUS1.")
    mode = can.BusState.PASSIVE if listen_only else can.BusState.ACTIVE
    try:
        bus = module.PcanBus(channel, bitrate=bitrate_bps, state=mode)
    except OSError as error:
        raise PortError(f"the driver of pcan is missing ({error})", channel, _ADAPTERS["pcan"][2]) from error
    except Exception as error:
        raise _not_found("pcan", channel, error) from error
    if listen_only:
        result, value = bus.m_objPCANBasic.GetValue(bus.m_PcanHandle, basic.PCAN_LISTEN_ONLY)
        if result != basic.PCAN_ERROR_OK or value != basic.PCAN_PARAMETER_ON:
            bus.shutdown()
            raise PortError("the adapter does not go into listen-only mode", channel, _KERNEL_INSTEAD)
    return Adapter(bus, read_state=lambda: pcan_state(basic, int(bus.status())))


def pcan_state(basic: Any, status: int) -> BusState:
    """The state in a status word of PCAN-Basic."""
    if status & int(basic.PCAN_ERROR_BUSOFF):
        return BusState.OFF
    if status & int(basic.PCAN_ERROR_BUSPASSIVE):
        return BusState.PASSIVE
    if status & int(basic.PCAN_ERROR_BUSHEAVY | basic.PCAN_ERROR_BUSLIGHT):
        return BusState.WARNING
    return BusState.ACTIVE


def _open_kvaser(module: ModuleType, channel: str, bitrate_bps: int, listen_only: bool) -> Adapter:
    library = importlib.import_module("can.interfaces.kvaser.canlib")
    if not hasattr(library, "canOpenChannel"):
        raise PortError("the driver of kvaser is missing (libcanlib.so)", channel, _ADAPTERS["kvaser"][2])
    number = _number("kvaser", channel)
    if bitrate_bps not in library.BITRATE_OBJS:
        raise _no_bit_rate("kvaser", channel, bitrate_bps)
    mode = library.DRIVER_MODE_SILENT if listen_only else library.DRIVER_MODE_NORMAL
    try:
        # The library raises when the adapter has no silent mode. A virtual channel of the library is no adapter.
        bus = module.KvaserBus(number, bitrate=bitrate_bps, driver_mode=mode, exclusive=True, accept_virtual=False)
    except Exception as error:
        raise _not_found("kvaser", channel, error) from error
    return Adapter(bus)


def _open_gs_usb(module: ModuleType, channel: str, bitrate_bps: int, listen_only: bool) -> Adapter:
    number = _number("gs_usb", channel)
    try:
        bus = module.GsUsbBus(channel=number, bitrate=bitrate_bps)
    except ValueError as error:
        raise _no_bit_rate("gs_usb", channel, bitrate_bps, error) from error
    except Exception as error:
        raise _not_found("gs_usb", channel, error) from error
    return Adapter(bus)


def _open_virtual(module: ModuleType, channel: str, bitrate_bps: int, listen_only: bool) -> Adapter:
    return Adapter(module.VirtualBus(channel, rx_queue_size=2000), send_timeout_s=0.0)


_NEVER_LISTEN_ONLY = frozenset({"canalystii", "gs_usb"})
"""Adapters for which python-can cannot set the listen-only mode."""

_ADAPTERS: dict[str, tuple[str, Opener, str]] = {
    "canalystii": (
        "can.interfaces.canalystii",
        _open_canalystii,
        "Install it into the environment of the agent: pip install 'pile-agent[adapters]' (package canalystii).",
    ),
    "pcan": (
        "can.interfaces.pcan",
        _open_pcan,
        "Install PCAN-Basic for Linux (libpcanbasic.so) and its kernel driver from PEAK-System, then start again.",
    ),
    "kvaser": (
        "can.interfaces.kvaser",
        _open_kvaser,
        "Install linuxcan (libcanlib.so) from Kvaser, then start again.",
    ),
    "gs_usb": (
        "can.interfaces.gs_usb",
        _open_gs_usb,
        "Install it into the environment of the agent: pip install 'pile-agent[adapters]' (package gs_usb), and "
        "libusb-1.0; or use the kernel driver gs_usb as interface socketcan.",
    ),
    VIRTUAL: ("can.interfaces.virtual", _open_virtual, "It is part of python-can."),
}
"""Module of python-can, opener, and what to install when the driver is missing."""

"""Asks the kernel over netlink about a CAN interface: up, bit rate, state, restart-ms, listen-only.

Layout: Linux rtnetlink(7) and linux/can/netlink.h. One request, one answer, no wait: the kernel answers in the call.
"""

import socket
import struct
from dataclasses import dataclass

from drivers.can.state import BusState
from drivers.text import Text

_RTM_NEWLINK, _RTM_GETLINK, _NLMSG_ERROR = 16, 18, 2
_NLM_F_REQUEST = 1
_MESSAGE = struct.Struct("=IHHII")
"""Header of a netlink message: length, kind, flags, sequence, port."""
_LINK = struct.Struct("=BxHiII")
"""struct ifinfomsg: family, type, index, flags, change mask."""
_ATTRIBUTE = struct.Struct("=HH")
"""Header of an attribute: length with this header, kind."""
_KIND_MASK = 0x3FFF
_IFF_UP = 0x1
_IFLA_LINKINFO, _IFLA_INFO_KIND, _IFLA_INFO_DATA = 18, 1, 2
_IFLA_CAN_BITTIMING, _IFLA_CAN_STATE, _IFLA_CAN_CTRLMODE, _IFLA_CAN_RESTART_MS = 1, 4, 5, 6
_CAN_CTRLMODE_LISTENONLY = 0x02
_STATES = (BusState.ACTIVE, BusState.WARNING, BusState.PASSIVE, BusState.OFF)
"""enum can_state; stopped and sleeping give no state of the bus."""
_ANSWER_BYTES = 65536


class KernelLinkError(OSError):
    """The kernel cannot be asked or refuses; the text gives the reason."""


@dataclass(frozen=True, slots=True)
class KernelLink:
    """State of an interface, from the kernel. None: the kernel gives none, as for a virtual interface (vcan)."""

    channel: str
    is_up: bool
    bitrate_bps: int | None = None
    state: BusState = BusState.UNKNOWN
    restart_ms: int | None = None
    """Time after which the kernel restarts the controller by itself after bus-off, 0: never."""
    listen_only: bool | None = None


@dataclass(frozen=True, slots=True)
class LinkFinding:
    """Something about an interface that does not fit the site file. ``wrong``: the interface must not be used so."""

    what: Text
    cure: Text
    wrong: bool


def kernel_link(channel: str) -> KernelLink:
    """Ask the kernel about the interface ``channel``. Raises KernelLinkError."""
    try:
        index = socket.if_nametoindex(channel)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as line:
            line.setblocking(False)
            line.sendto(request_for(index), (0, 0))
            answer = line.recv(_ANSWER_BYTES)
    except OSError as error:
        raise KernelLinkError(str(error)) from error
    return parse(channel, answer)


def request_for(index: int) -> bytes:
    """The question about the interface with this index."""
    body = _LINK.pack(socket.AF_UNSPEC, 0, index, 0, 0)
    return _MESSAGE.pack(_MESSAGE.size + len(body), _RTM_GETLINK, _NLM_F_REQUEST, 1, 0) + body


def parse(channel: str, answer: bytes) -> KernelLink:
    """Content of an answer. Raises KernelLinkError if it is none or a refusal."""
    if len(answer) < _MESSAGE.size:
        raise KernelLinkError("short answer")
    length, kind, _, _, _ = _MESSAGE.unpack_from(answer)
    body = answer[_MESSAGE.size : length]
    if kind == _NLMSG_ERROR:
        code = int.from_bytes(body[:4], "little", signed=True)
        raise KernelLinkError(f"refused with error {-code}")
    if kind != _RTM_NEWLINK or len(body) < _LINK.size:
        raise KernelLinkError(f"unexpected answer of kind {kind}")
    is_up = bool(_LINK.unpack_from(body)[3] & _IFF_UP)
    info = _attributes(_attributes(body[_LINK.size :]).get(_IFLA_LINKINFO, b""))
    if info.get(_IFLA_INFO_KIND, b"").rstrip(b"\0") != b"can":
        return KernelLink(channel, is_up)
    data = _attributes(info.get(_IFLA_INFO_DATA, b""))
    bitrate_bps, state = _number(data.get(_IFLA_CAN_BITTIMING, b"")), _number(data.get(_IFLA_CAN_STATE, b""))
    flags = _number(data.get(_IFLA_CAN_CTRLMODE, b"")[4:])
    return KernelLink(
        channel,
        is_up,
        bitrate_bps=bitrate_bps or None,
        state=_STATES[state] if is_up and state is not None and state < len(_STATES) else BusState.UNKNOWN,
        restart_ms=_number(data.get(_IFLA_CAN_RESTART_MS, b"")),
        listen_only=None if flags is None else bool(flags & _CAN_CTRLMODE_LISTENONLY),
    )


def check_kernel_link(link: KernelLink, bitrate_bps: int) -> list[LinkFinding]:
    """Compare an interface with the site file; empty when nothing is wrong or nothing is known."""
    found = []
    name, mode = link.channel, " listen-only on" if link.listen_only else ""
    set_up = f"ip link set {name} up type can bitrate {bitrate_bps} restart-ms 100{mode}"
    if link.bitrate_bps is not None and link.bitrate_bps != bitrate_bps:
        found.append(
            LinkFinding(
                Text(
                    f"接口 {name} 的波特率为 {link.bitrate_bps} bit/s,配置文件为 {bitrate_bps} bit/s",
                    f"the interface {name} runs at {link.bitrate_bps} bit/s, the site file gives {bitrate_bps} bit/s",
                ),
                Text(
                    f"执行:ip link set {name} down;{set_up}", f"do: ip link set {name} down; {set_up}, and make it last"
                ),
                wrong=True,
            )
        )
    elif not link.is_up:
        found.append(
            LinkFinding(
                Text(f"接口 {name} 未启用", f"the interface {name} is down"),
                Text(f"执行:{set_up}", f"do: {set_up}, and make it last"),
                wrong=True,
            )
        )
    # A controller that is listen-only never transmits and cannot leave the bus.
    if link.restart_ms == 0 and not link.listen_only:
        again = f"ip link set {name} down; {set_up}"
        found.append(
            LinkFinding(
                Text(f"接口 {name} 离线(bus-off)后不会自动恢复", f"the interface {name} stays off after bus-off"),
                Text(f"执行:{again.replace('; ', ';')}", f"do: {again}"),
                wrong=False,
            )
        )
    return found


def _number(data: bytes) -> int | None:
    """A 32-bit number at the begin of an attribute."""
    return None if len(data) < 4 else int(struct.unpack_from("=I", data)[0])


def _attributes(data: bytes) -> dict[int, bytes]:
    """Attributes by kind; a length that makes no sense ends the list."""
    found: dict[int, bytes] = {}
    offset = 0
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size or offset + length > len(data):
            break
        found[kind & _KIND_MASK] = data[offset + _ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3
    return found

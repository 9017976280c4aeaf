"""A TCP connection that is used like a serial port: opened for one process, never waited for."""

import errno
import os
import re
import select
import socket

from drivers.errors import PortError

TCP = "tcp"
"""``tcp://address:port``: Modbus TCP, a meter or a gateway."""
RTU_OVER_TCP = "rtu+tcp"
"""``rtu+tcp://address:port``: a serial server that passes bytes on as they are; any protocol of a serial line."""
_DEFAULT_PORT = 502
# Not urllib and ipaddress: they would take memory of the field process for one line of text.
_ADDRESS_AND_PORT = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^:/?#@\[\]]*))(?::(?P<port>[0-9]{1,6}))?/?")
_READ_BYTES = 4096
_CONNECT_TIMEOUT_S = 3.0
# A cut cable is not reported: the kernel gives a silent connection up after about 20 s.
_USER_TIMEOUT_MS = 10_000
_KEEP_ALIVE = ((socket.TCP_KEEPIDLE, 10), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 2))


def is_tcp(port: str) -> bool:
    """Whether a port of the site file is a TCP connection, right or wrong."""
    return port.startswith((f"{TCP}://", f"{RTU_OVER_TCP}://"))


def split_url(url: str) -> tuple[str, str, int]:
    """Scheme, numeric address and port of ``url``. Raises ValueError with what is wrong.

    A name instead of an address would have to be looked up, and looking up can wait for seconds.
    """
    if not is_tcp(url):
        raise ValueError(f"{url} does not begin with {TCP}:// or {RTU_OVER_TCP}://")
    scheme, _, rest = url.partition("://")
    parts = _ADDRESS_AND_PORT.fullmatch(rest)
    if parts is None:
        raise ValueError(f"{url} has more than address and port")
    host = parts["v6"] or parts["host"]
    port = int(parts["port"] or _DEFAULT_PORT)
    if not 1 <= port <= 0xFFFF:
        raise ValueError(f"the port of {url} is not within 1..65535")
    family = socket.AF_INET6 if parts["v6"] else socket.AF_INET
    try:
        return scheme, socket.inet_ntop(family, socket.inet_pton(family, host)), port
    except OSError:
        raise ValueError(f"{host or url} is not a numeric address such as 192.168.1.50") from None


class TcpPort:
    """One connection. Connecting continues in the background: ``is_ready`` is true when it is established.

    Raises PortError if the network refuses at once, ValueError if ``url`` is wrong. ``dropped`` counts frames that the
    connection did not take.
    """

    def __init__(self, url: str, now_s: float) -> None:
        self.path = url
        self.dropped = 0
        self._begun_s = now_s
        self._connected = False
        _, address, port = split_url(url)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEP_ALIVE:
            self._socket.setsockopt(socket.IPPROTO_TCP, option, value)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)
        code = self._socket.connect_ex((address, port))
        if code not in (0, errno.EINPROGRESS):
            self._socket.close()
            raise self._refused(code)

    def is_ready(self, now_s: float) -> bool:
        """Whether the connection is there. Raises PortError if it failed or took too long."""
        if self._connected:
            return True
        poller = select.poll()
        poller.register(self._socket, select.POLLOUT)
        if not poller.poll(0):
            if now_s - self._begun_s >= _CONNECT_TIMEOUT_S:
                raise self._refused(errno.ETIMEDOUT)
            return False
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise self._refused(code)
        self._connected = True
        return True

    def fileno(self) -> int:
        """File descriptor to wait on."""
        return self._socket.fileno()

    def read(self) -> bytes:
        """All bytes that have arrived, possibly none. Raises PortError if the other side has closed."""
        data = b""
        try:
            while chunk := self._socket.recv(_READ_BYTES):
                data += chunk
                if len(chunk) < _READ_BYTES:
                    return data
        except BlockingIOError:
            return data
        except OSError as error:
            if data:
                return data
            raise self._gone(error.errno) from None
        if data:
            return data
        raise self._gone(None)

    def write(self, data: bytes) -> None:
        """Send ``data``. Raises PortError if the other side has closed or accepts no more data; no half frame waits."""
        try:
            written = self._socket.send(data, socket.MSG_NOSIGNAL)
        except BlockingIOError:
            written = 0
        except OSError as error:
            raise self._gone(error.errno) from None
        if written < len(data):
            self.dropped += 1
            raise PortError(
                "the other side accepts no more data", self.path, "Check the network and restart the gateway."
            )

    def close(self) -> None:
        """Give the connection back; closing twice is allowed."""
        self._socket.close()

    def _refused(self, code: int) -> PortError:
        if code == errno.ECONNREFUSED:
            hint = "Switch Modbus TCP on in the device and check the port number (often 502)."
            return PortError("no service listens there", self.path, hint)
        if code in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ETIMEDOUT):
            hint = "Check address, cable and network mask, and that the device has power."
            return PortError("the device cannot be reached", self.path, hint)
        return PortError(f"connecting failed ({os.strerror(code)})", self.path, "Check the address and the network.")

    def _gone(self, code: int | None) -> PortError:
        why = "" if code is None else f" ({os.strerror(code)})"
        hint = "The device restarted, or serves only one connection and another program took it."
        return PortError(f"the connection was closed{why}", self.path, hint)


__all__ = ["RTU_OVER_TCP", "TCP", "TcpPort", "is_tcp", "split_url"]

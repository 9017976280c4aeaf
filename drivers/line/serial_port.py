"""A serial line, opened for one process alone and never waited for."""

import errno
import os
import select
import termios

import serial

from drivers.errors import PortError

_READ_BYTES = 4096
_HANG_UP = select.POLLHUP | select.POLLERR | select.POLLNVAL


def port_error(path: str, cause: OSError) -> PortError:
    """The error for people that belongs to ``cause`` at the serial port ``path``."""
    if cause.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return PortError(
            "port not found", path, "Check that the adapter is plugged in and use its name in /dev/serial/by-id."
        )
    if cause.errno in (errno.EACCES, errno.EPERM):
        return PortError(
            "permission denied", path, "Add the user of the service to the group that owns the port (often dialout)."
        )
    if cause.errno in (errno.EWOULDBLOCK, errno.EBUSY):
        return PortError("the port is in use by another program", path, "Stop the other program, or use another port.")
    if cause.errno is None or cause.errno in (errno.ENOTTY, errno.EISDIR):
        return PortError(f"not a serial port ({cause})", path, "Enter the serial port of the RS-485 adapter.")
    return PortError(f"the port failed ({cause})", path, "Check the adapter and its cable.")


def port_gone(path: str) -> PortError:
    """The error for people when an open port went away."""
    return PortError("port lost", path, "The adapter was unplugged or has restarted; check its cable and supply.")


def is_hung_up(fd: int) -> bool:
    """Whether the device behind ``fd`` is gone. An empty read alone is no proof: an idle terminal gives one too."""
    poller = select.poll()
    poller.register(fd, 0)
    return any(event & _HANG_UP for _, event in poller.poll(0))


def read_available(fd: int, path: str) -> bytes:
    """All bytes that wait at the non-blocking ``fd``. Raises PortError if the device is gone."""
    data = b""
    try:
        while chunk := os.read(fd, _READ_BYTES):
            data += chunk
            if len(chunk) < _READ_BYTES:
                return data
    except BlockingIOError:
        return data
    except OSError:
        # What came before the line went is still worth having; the next call raises.
        if data:
            return data
        raise port_gone(path) from None
    if not data and is_hung_up(fd):
        raise port_gone(path)
    return data


def _check_parity(fd: int) -> None:
    """Read a damaged character as 0. Without this the kernel hands it on as if nothing had been wrong.

    A sum over bytes (DL/T 645) cannot see every pair of errors; the parity of each of them nearly always does.
    """
    attributes = termios.tcgetattr(fd)
    attributes[0] = attributes[0] & ~(termios.IGNPAR | termios.PARMRK) | termios.INPCK
    termios.tcsetattr(fd, termios.TCSANOW, attributes)


class SerialPort:
    """One serial port, for the use of this process alone.

    ``parity`` is "N", "E" or "O", ``stop_bits`` 1 or 2. Raises PortError if the port is missing, not permitted, in
    use or no serial port; each with its own text. ``dropped`` counts frames that the port did not take.
    """

    def __init__(self, path: str, baud: int, parity: str = "N", stop_bits: int = 1) -> None:
        self.path = path
        self.dropped = 0
        try:
            self._serial = serial.Serial(
                path, baud, parity=parity, stopbits=stop_bits, timeout=0, write_timeout=0, exclusive=True
            )
        except OSError as error:
            raise port_error(path, error) from error
        except termios.error as error:
            raise PortError(
                f"the port cannot be set to {baud} baud, parity {parity}, {stop_bits} stop bits",
                path,
                "Use an adapter that supports these settings, or change them at the device.",
            ) from error
        self._fd: int = self._serial.fileno()
        if parity != "N":
            _check_parity(self._fd)

    def fileno(self) -> int:
        """File descriptor to wait on."""
        return self._fd

    def read(self) -> bytes:
        """All bytes that have arrived, possibly none. Raises PortError if the device is gone."""
        return read_available(self._fd, self.path)

    def write(self, data: bytes) -> None:
        """Send ``data``. Raises PortError if the device is gone.

        A frame that the port cannot take whole is dropped together with what waits before it: on a line where
        nothing moves, old requests must not pile up and go out later.
        """
        try:
            written = os.write(self._fd, data)
        except BlockingIOError:
            written = 0
        except OSError:
            raise port_gone(self.path) from None
        if written < len(data):
            self.dropped += 1
            termios.tcflush(self._fd, termios.TCOFLUSH)

    def close(self) -> None:
        """Give the port back; closing twice is allowed."""
        self._serial.close()
        self._fd = -1

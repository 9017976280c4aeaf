"""A throw-away mosquitto on loopback, kept running unless its wire is cut."""

import asyncio
import contextlib
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

from hil_tests.bench.children import die_with_parent

_START_TIMEOUT_S = 10.0
_STOP_TIMEOUT_S = 3.0
_RESTART_PAUSE_S = 1.0


class BrokerError(Exception):
    """The broker cannot run; the text gives reason and remedy."""


def find_mosquitto() -> str:
    """Path of the mosquitto binary (Debian keeps it in /usr/sbin, which is not on every user's PATH)."""
    folders = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    binary = shutil.which("mosquitto", path=folders)
    if binary is None:
        raise BrokerError("mosquitto is not installed: run `apt-get install mosquitto`, or leave out the broker")
    return binary


def free_port() -> int:
    """A TCP port on loopback that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Broker:
    """One mosquitto process on a fixed port, with its configuration in ``folder``."""

    def __init__(self, folder: Path, port: int, say: Callable[[str], None]) -> None:
        self.port = port or free_port()
        self._folder = folder
        self._say = say
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self.is_cut = False

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def start(self) -> None:
        """Start and wait until it accepts connections. Raises BrokerError."""
        self.is_cut = False
        await self._launch()
        self._keeper = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """End the process."""
        if self._keeper is not None:
            self._keeper.cancel()
            self._keeper = None
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_TIMEOUT_S)
        except TimeoutError:
            process.kill()
            await process.wait()

    async def cut(self) -> None:
        """Kill it as a dead network would: no goodbye to the clients."""
        self.is_cut = True
        if self._keeper is not None:
            self._keeper.cancel()
            self._keeper = None
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def _launch(self) -> None:
        config = self._folder / "mosquitto.conf"
        # A mosquitto that gives up root also loses the kernel's promise to end it with the bench.
        user = "user root\n" if os.geteuid() == 0 else ""
        config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_dest stderr\n"
            f"max_queued_messages 100000\n{user}",
            encoding="utf-8",
        )
        log = (self._folder / "mosquitto.log").open("ab")
        with log:
            self._process = await asyncio.create_subprocess_exec(
                find_mosquitto(),
                "-c",
                str(config),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent(),
            )
        deadline_s = asyncio.get_running_loop().time() + _START_TIMEOUT_S
        while not await self._accepts():
            if self._process.returncode is not None or asyncio.get_running_loop().time() > deadline_s:
                raise BrokerError(f"mosquitto does not serve port {self.port}; see {self._folder / 'mosquitto.log'}")
            await asyncio.sleep(0.05)

    async def _accepts(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        return self._process is not None and self._process.returncode is None

    async def _keep(self) -> None:
        """Start it again if it ends by itself."""
        while self._process is not None:
            code = await self._process.wait()
            self._say(f"broker ended with code {code}; starting it again")
            await asyncio.sleep(_RESTART_PAUSE_S)
            try:
                await self._launch()
            except BrokerError as error:
                self._say(str(error))

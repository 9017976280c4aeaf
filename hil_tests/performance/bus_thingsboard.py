"""Drives the Modbus connector of ``thingsboard-gateway`` without its gateway, as a master for ``bus_wire``.

Runs under an interpreter of its own (the connector wants pymodbus 3.9.2): give it in PILE_BENCH_THINGSBOARD. Usage:
``PYTHON bus_thingsboard.py PORT BAUD METERS REGISTERS``; runs until it is killed. Imports nothing of this project.
"""

import importlib
import logging
import sys
import time
from typing import Any

FIRST_REGISTERS = (0, 100)


class Gateway:
    """What the connector asks of its gateway."""

    def __init__(self) -> None:
        self.devices: dict[str, Any] = {}

    def get_config_path(self) -> str:
        return "/tmp/"

    def get_devices(self) -> dict[str, Any]:
        return self.devices

    def add_device(self, name: str, content: Any, device_type: str = "") -> bool:
        self.devices[name] = content
        return True

    def del_device(self, name: str) -> None:
        self.devices.pop(name, None)

    def send_to_storage(self, *arguments: Any) -> None:
        """Values go nowhere."""


def slave(port: str, baud: int, address: int, registers: int) -> dict[str, Any]:
    """One meter that is to be polled each millisecond."""
    return {
        "type": "serial", "method": "rtu", "port": port, "baudrate": baud, "unitId": address, "timeout": 1,
        "bytesize": 8, "parity": "N", "stopbits": 1, "strict": False,
        "deviceName": f"meter {address}", "deviceType": "default", "pollPeriod": 1, "sendDataOnlyOnChange": False,
        "byteOrder": "BIG", "wordOrder": "BIG", "retries": False, "retryOnEmpty": False, "retryOnInvalid": False,
        "connectAttemptTimeMs": 500, "connectAttemptCount": 5, "waitAfterFailedAttemptsMs": 30000,
        "attributes": [], "attributeUpdates": [], "rpc": [],
        "timeseries": [
            {"tag": f"{first}", "type": "bytes", "functionCode": 3, "objectsCount": registers - place, "address": first}
            for place, first in enumerate(FIRST_REGISTERS)
        ],
    }  # fmt: skip


def main() -> None:
    """See the module."""
    port, baud, meters, registers = sys.argv[1], *map(int, sys.argv[2:5])
    connector_module: Any = importlib.import_module("thingsboard_gateway.connectors.modbus.modbus_connector")
    logger = logging.getLogger("bench")
    logger.trace = logger.debug  # type: ignore[attr-defined]
    logger.stop = lambda: None  # type: ignore[attr-defined]
    connector_module.init_logger = lambda *arguments, **named: logger
    slaves = [slave(port, baud, address, registers) for address in range(1, meters + 1)]
    connector = connector_module.AsyncModbusConnector(
        Gateway(), {"name": "bench", "id": "bench", "logLevel": "ERROR", "master": {"slaves": slaves}}, "modbus"
    )
    connector.open()
    time.sleep(3600)


if __name__ == "__main__":
    main()

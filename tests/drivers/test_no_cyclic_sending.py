"""Nothing of the agent has the kernel or a library send by itself: a process that hangs must fall silent."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FORBIDDEN = {
    *("send_periodic", "_send_periodic_internal", "CyclicSendTask", "MultiRateCyclicSendTask"),
    *(
        "ThreadBasedCyclicSendTask",
        "ModifiableCyclicTaskABC",
        "RestartableCyclicTaskABC",
        "CAN_BCM",
        "create_bcm_socket",
    ),
    "broadcastmanager",
}


def cyclic_sending(source: str) -> list[str]:
    """Every mention of cyclic sending in a program."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Attribute):
            names = [node.attr]
        elif isinstance(node, ast.Name):
            names = [node.id]
        elif isinstance(node, ast.alias):
            names = node.name.split(".")
        elif isinstance(node, ast.ImportFrom):
            names = (node.module or "").split(".")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names = [node.value]
        found += [f"line {getattr(node, 'lineno', 0)}: {name}" for name in names if name in FORBIDDEN]
    return found


@pytest.mark.parametrize("folder", ["agent", "drivers", "hil_tests"])
def test_no_program_sends_cyclically_by_kernel_or_library(folder: str) -> None:
    files = list((ROOT / folder).rglob("*.py"))
    assert len(files) > 20
    assert {str(path): found for path in files if (found := cyclic_sending(path.read_text(encoding="utf-8")))} == {}


@pytest.mark.parametrize(
    "source",
    [
        "bus.send_periodic(message, 0.25)",
        "from can.broadcastmanager import CyclicSendTask",
        "from can import broadcastmanager as b",
        "import can.broadcastmanager",
        "socket.socket(29, 2, socket.CAN_BCM)",
        "getattr(bus, 'send_periodic')(message, 1)",
    ],
)
def test_the_search_finds_it(source: str) -> None:
    assert cyclic_sending(source)

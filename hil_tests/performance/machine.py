"""Facts of the machine that the figures were taken on."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def _line(path: str, key: str) -> str:
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return ""


def preemption(version: str) -> str:
    """The preemption model that a kernel's version text names; ``not stated`` if it names none."""
    for model in ("PREEMPT_RT", "PREEMPT_DYNAMIC", "PREEMPT_LAZY", "PREEMPT"):
        if model in version.split():
            return model
    return "not stated"


def steal_ticks() -> int:
    """Ticks that the host took from this machine since its start (proc(5), cpu line)."""
    fields = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()
    return int(fields[8]) if len(fields) > 8 else 0


def facts() -> dict[str, Any]:
    """What a reader must know to judge the figures."""
    flags = _line("/proc/cpuinfo", "flags").split()
    return {
        "taken_at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": _line("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": os.cpu_count(),
        "virtual": "hypervisor" in flags,
        "memory": _line("/proc/meminfo", "MemTotal"),
        "kernel": platform.release(),
        "preemption": preemption(platform.version()),
        "python": platform.python_version(),
        "load_before": [round(value, 2) for value in os.getloadavg()],
    }

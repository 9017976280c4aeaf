"""The kernel's figures of a process (proc(5))."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident and proportional set size in MB (1e6 bytes)."""

    rss_mb: float
    pss_mb: float


def memory_of(pid: int) -> Memory:
    """Memory of a process. Raises OSError if it is gone."""
    values = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii", errors="replace").splitlines()[1:]:
        name, _, rest = line.partition(":")
        values[name] = int(rest.split()[0]) * 1024 / 1e6
    return Memory(round(values["Rss"], 2), round(values["Pss"], 2))


def ticks_in(stat: str) -> int:
    """User and system time of a /proc/PID/stat line, in ticks."""
    fields = stat.rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used. Raises OSError if it is gone."""
    return ticks_in(Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")) / TICKS_PER_S


def share_percent(pid: int, duration_s: float) -> float:
    """Share of one core that a process takes over ``duration_s``, in percent."""
    begin_s, used_s = time.monotonic(), cpu_seconds(pid)
    time.sleep(duration_s)
    return 100.0 * (cpu_seconds(pid) - used_s) / (time.monotonic() - begin_s)


def wakeups_of(pid: int) -> int:
    """How many times a process has waited and been woken (voluntary switches). Raises OSError if it is gone."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name == "voluntary_ctxt_switches":
            return int(value)
    raise OSError(f"process {pid} reports no switches")


def policy_of(pid: int) -> str:
    """Scheduling policy really in force."""
    policy = os.sched_getscheduler(pid)
    if policy == os.SCHED_FIFO:
        return f"fifo {os.sched_getparam(pid).sched_priority}"
    return "normal"


def child_running(service: str) -> int:
    """Process id of the child of this process that runs a service of the agent. Raises OSError if there is none."""
    own = os.getpid()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        if parent == own and b"agent.cli.main" in words and service.encode() in words:
            return int(entry.name)
    raise OSError(f"the service {service} does not run")

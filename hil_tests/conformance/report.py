"""The table of a run: JSON for machines, one self-contained page for people."""

import json
import platform
import time
from collections import Counter
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from hil_tests.conformance.checks import (
    OUTLIER_SHARE,
    PERIOD_SHARE,
    SHORT_PERIOD_TOLERANCE_MS,
    late_s,
)
from hil_tests.conformance.page import render
from hil_tests.conformance.run import LONGEST_STALL_MS, Result


def write_report(folder: Path, results: Sequence[Result], *, begun_wall_s: float, took_s: float, piles: int) -> Path:
    """Write ``conformance.json`` and ``index.html`` into ``folder``. Returns the path of the page."""
    folder.mkdir(parents=True, exist_ok=True)
    head = {
        "standard": "GB/T 34658-2017",
        "version": _version(),
        "begun": time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(begun_wall_s)),
        "took_s": round(took_s, 1),
        "piles": piles,
        "machine": f"{platform.system()} {platform.release()} {platform.machine()}, Python {platform.python_version()}",
        "verdicts": dict(Counter(result.verdict.value for result in results)),
        "explained": sum(bool(result.explained) for result in results),
        "worst_stall_ms": max((max(result.stalls_ms, default=0.0) for result in results), default=0.0),
        "tolerances": {
            "period_share": PERIOD_SHARE,
            "period_10_ms_tolerance_ms": SHORT_PERIOD_TOLERANCE_MS,
            "periods_allowed_outside_share": OUTLIER_SHARE,
            "time_out_1_s_late_s": late_s(1.0),
            "time_out_5_s_late_s": late_s(5.0),
            "time_out_10_s_late_s": late_s(10.0),
            "repeated_from_stall_ms": LONGEST_STALL_MS,
        },
    }
    document = {**head, "cases": [case_document(result) for result in results]}
    (folder / "conformance.json").write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", "utf-8")
    page = folder / "index.html"
    page.write_text(render(head, results), encoding="utf-8")
    return page


def case_document(result: Result) -> dict[str, Any]:
    """One case as plain data."""
    case, evidence = result.case, result.evidence
    return {
        "id": case.id,
        "item": case.item,
        "edition": case.edition,
        "source": case.source._asdict(),
        "title": case.title._asdict(),
        "sent": case.sent._asdict(),
        "verdict": result.verdict.value,
        "explained": result.explained,
        "uncertain": None if case.uncertain is None else case.uncertain._asdict(),
        "checks": [
            {
                "expected": finding.expected._asdict(),
                "measured": finding.measured._asdict(),
                "verdict": finding.verdict.value,
                "note": None if finding.note is None else finding.note._asdict(),
            }
            for finding in result.findings
        ],
        "marks_s": {name: round(at_s, 4) for name, at_s in evidence.marks.items()},
        "replies": evidence.replies,
        "error": result.error,
        "took_s": round(result.took_s, 1),
        "resolution_ms": evidence.resolution_ms,
        "stalls_ms": result.stalls_ms,
        "repeated": result.repeated,
        "log": result.log,
    }


def _version() -> str:
    try:
        return metadata.version("pile-agent")
    except metadata.PackageNotFoundError:
        return "from the source tree"

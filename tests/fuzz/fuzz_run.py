"""Looks for courses of frames that break the vehicle protocol: ``make fuzz``.

    python tests/fuzz/fuzz_run.py --minutes 5                     all targets, then the state machines of hypothesis
    python tests/fuzz/fuzz_run.py --only charger --minutes 1      one target; may be repeated
    python tests/fuzz/fuzz_run.py --replay build/fuzz/crashes/charger-crash-...   one input again

Coverage-guided by atheris for the targets of ``fuzz_targets``; random courses by hypothesis for the machines. The time
is shared out evenly. Report in build/fuzz.json; what was found interesting is kept in build/fuzz and used again. An
input that breaks something is kept in build/fuzz/crashes; once the cause is mended it belongs in tests/fuzz/crashes,
where ``make test`` replays it for ever. Exit code 1 if something broke.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT)]

from fuzz_targets import TARGETS, Statistics, seeds  # noqa: E402  # found by the line above

BUILD = ROOT / "build" / "fuzz"
REPORT = ROOT / "build" / "fuzz.json"
PACKAGES = BUILD / "packages"
CRASHES = BUILD / "crashes"
MACHINES = {
    "machines": "tests/bms/test_bms_machines.py",
    "core machine": "tests/control/test_core_machine.py",
}
_LONGEST_INPUT_BYTES = 2048
_LONGEST_RUN_S = 20
_MEMORY_MB = 1024
_MACHINE_EXAMPLES = 50


@dataclass
class Result:
    """What one target came to."""

    name: str
    seconds: float
    sequences: int = 0
    frames: int = 0
    reached: dict[str, int] = field(default_factory=dict)
    coverage: int | None = None
    crashes: list[str] = field(default_factory=list)


def fuzz(name: str, seconds: float) -> Result:
    """One target under atheris."""
    corpus = BUILD / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    CRASHES.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(name)):
        (corpus / f"seed-{number:03}").write_bytes(seed)
    statistics_file, log = BUILD / f"{name}.json", BUILD / f"{name}.log"
    statistics_file.unlink(missing_ok=True)
    before = set(CRASHES.iterdir())
    began_s = time.monotonic()
    command = [
        sys.executable, str(Path(__file__).with_name("fuzz_child.py")), name, str(statistics_file), str(corpus),
        f"-max_total_time={max(1, round(seconds))}", f"-max_len={_LONGEST_INPUT_BYTES}", f"-timeout={_LONGEST_RUN_S}",
        f"-rss_limit_mb={_MEMORY_MB}", f"-artifact_prefix={CRASHES}/{name}-", "-print_final_stats=1",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(PACKAGES)}
    with log.open("wb") as out:
        subprocess.run(command, cwd=ROOT, env=environment, stdout=out, stderr=out, check=False)
    result = Result(name, time.monotonic() - began_s)
    text = log.read_text(encoding="utf-8", errors="replace")
    if not statistics_file.exists():
        raise SystemExit(f"target {name} did not run:\n{text[-2000:]}")
    content = json.loads(statistics_file.read_text(encoding="utf-8"))
    result.frames, result.reached = content["frames"], dict(sorted(content["reached"].items()))
    executed = re.search(r"stat::number_of_executed_units:\s+(\d+)", text)
    result.sequences = int(executed[1]) if executed else content["sequences"]
    covered = re.findall(r"\bcov: (\d+)", text)
    result.coverage = int(covered[-1]) if covered else None
    result.crashes = sorted(str(path.relative_to(ROOT)) for path in set(CRASHES.iterdir()) - before)
    return result


def machines(name: str, seconds: float) -> Result:
    """Rounds of a state machine, each with other courses, until the time is over."""
    result = Result(name, 0.0)
    began_s = time.monotonic()
    seed = int(time.time())
    while not result.crashes and (result.sequences == 0 or time.monotonic() - began_s < seconds):
        seed += 1
        command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", f"--hypothesis-seed={seed}"]
        environment = {**os.environ, "PILE_FUZZ_EXAMPLES": str(_MACHINE_EXAMPLES)}
        done = subprocess.run(
            [*command, MACHINES[name]], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        for sequences, frames in re.findall(r"^machine \w+: (\d+) sequences, (\d+) frames", done.stdout, re.MULTILINE):
            result.sequences += int(sequences)
            result.frames += int(frames)
        for key, count in re.findall(r"^  reached (.+): (\d+)$", done.stdout, re.MULTILINE):
            result.reached[key] = result.reached.get(key, 0) + int(count)
        if done.returncode:
            CRASHES.mkdir(parents=True, exist_ok=True)
            path = CRASHES / f"{name.replace(' ', '-')}-{seed}.txt"
            path.write_text(done.stdout + done.stderr, encoding="utf-8")
            result.crashes.append(str(path.relative_to(ROOT)))
            break
    result.seconds = time.monotonic() - began_s
    return result


def replay(path: Path) -> int:
    """Run one kept input again; the traceback is the answer."""
    name = path.name.partition("-")[0]
    if name not in TARGETS:
        print(f"{path.name}: the name must begin with its target: {', '.join(TARGETS)}")
        return 2
    try:
        data = path.read_bytes()
    except OSError as error:
        print(f"{path} cannot be read: {error.strerror}")
        return 2
    TARGETS[name](data, Statistics())
    print(f"{path.name}: nothing breaks")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0, help="altogether (5)")
    parser.add_argument("--only", action="append", choices=[*TARGETS, *MACHINES], help="only this one; may be repeated")
    parser.add_argument("--replay", type=Path, help="run one kept input again")
    chosen = parser.parse_args(arguments)
    if chosen.replay is not None:
        return replay(chosen.replay)
    names = chosen.only or [*TARGETS, *MACHINES]
    seconds = chosen.minutes * 60.0 / len(names)
    results = []
    for name in names:
        print(f"fuzzing: {name}, {seconds:.0f} s", file=sys.stderr)
        result = fuzz(name, seconds) if name in TARGETS else machines(name, seconds)
        results.append(result)
        coverage = "" if result.coverage is None else f", coverage {result.coverage}"
        print(f"{name}: {result.sequences:,} sequences, {result.frames:,} frames in {result.seconds:.0f} s{coverage}")
        print(f"  reached: {', '.join(f'{key} {count:,}' for key, count in result.reached.items())}")
        for crash in result.crashes:
            how = f'make fuzz ARGS="--replay {crash}"' if name in TARGETS else "the courses and the seed stand in it"
            print(f"  BROKEN: {crash} ({how})")
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "sequences": sum(each.sequences for each in results),
        "frames": sum(each.frames for each in results),
        "targets": [vars(each) for each in results],
    }
    REPORT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(f"altogether {content['sequences']:,} sequences, {content['frames']:,} frames; report: build/fuzz.json")
    return 1 if any(each.crashes for each in results) else 0


if __name__ == "__main__":
    sys.exit(main())

"""The process of one target: atheris (libFuzzer) drives it, and its statistics go to a file every second.

python fuzz_child.py TARGET STATISTICS_FILE [libFuzzer arguments]
"""

import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_WRITE_INTERVAL_S = 1.0


def main() -> None:
    """Never returns: libFuzzer ends the process."""
    name, out = sys.argv[1], Path(sys.argv[2])
    sys.path[:0] = [str(Path(__file__).parent), str(ROOT)]
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["drivers"]):
        import fuzz_targets
    target, statistics = fuzz_targets.TARGETS[name], fuzz_targets.Statistics()
    written_s = 0.0

    def write() -> None:
        content = {"sequences": statistics.sequences, "frames": statistics.frames, "reached": statistics.reached}
        temporary = out.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps(content), encoding="utf-8")
        temporary.replace(out)

    def one(data: bytes) -> None:
        nonlocal written_s
        statistics.sequences += 1
        now_s = time.monotonic()
        if now_s - written_s >= _WRITE_INTERVAL_S:
            written_s = now_s
            write()
        target(data, statistics)

    atheris.Setup([sys.argv[0], *sys.argv[3:]], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

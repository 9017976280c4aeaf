"""Writes every document and schema that comes from code or data: ``python -m scripts.documents [WRITER ...]``.

Without a name all writers run; with names only those. ``--check`` writes nothing and lists what is out of date.
Exit code 1 if something is out of date or cannot be written, 2 for an unknown name.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from scripts.documents import commands, decisions, faults, messages, meters, sequence, settings, uplink

WRITERS: Mapping[str, Callable[[], Mapping[Path, str]]] = {
    "commands": commands.documents,
    "configuration": settings.documents,
    "decisions": decisions.documents,
    "diagram": sequence.documents,
    "faults": faults.documents,
    "messages": messages.documents,
    "meters": meters.documents,
    "uplink": uplink.documents,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m scripts.documents", description=__doc__)
    parser.add_argument("writers", nargs="*", metavar="WRITER", help=", ".join(WRITERS))
    parser.add_argument("--check", action="store_true", help="write nothing, list what is out of date")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.writers) - set(WRITERS))
    if unknown:
        print(f"unknown writer {', '.join(unknown)}; there are {', '.join(WRITERS)}", file=sys.stderr)
        return 2
    out_of_date = False
    for name in options.writers or WRITERS:
        try:
            texts = WRITERS[name]()
        except ValueError as error:
            print(f"{name}: {error}; not written", file=sys.stderr)
            return 1
        for path, text in texts.items():
            if path.exists() and path.read_text(encoding="utf-8") == text:
                continue
            out_of_date = True
            print(f"{'out of date' if options.check else 'written'}: {path}")
            if not options.check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    return 1 if options.check and out_of_date else 0


if __name__ == "__main__":
    sys.exit(main())

"""Writes the recordings: ``python -m hil_tests.recordings FOLDER``."""

import sys
from pathlib import Path

from hil_tests.recordings.scenes import SCENES
from hil_tests.recordings.writers import FORMATS, write


def main() -> None:
    """Write every charge in every format into the folder named."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m hil_tests.recordings FOLDER")
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, play in SCENES.items():
        frames = play().frames
        for ending in FORMATS:
            write(folder / f"{name}.{ending}", frames)
        sys.stdout.write(f"{name}: {len(frames)} frames, {frames[-1][0]:.1f} s\n")


if __name__ == "__main__":
    main()

"""The probes use the virtual piles of tests/control and the meters on paper of tests/drivers."""

import sys
from pathlib import Path

for name in ("control", "drivers"):
    sys.path.insert(0, str(Path(__file__).parents[1] / name))

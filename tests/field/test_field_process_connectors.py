"""What the field process drives: no connector of the site file is ever left out silently."""

import sys
from pathlib import Path

import pytest

from agent.field.process import run_field
from agent.settings.load import load_site
from drivers.errors import PortError

sys.path.insert(0, str(Path(__file__).parents[1] / "settings"))
from test_connectors import TWO_GUNS


def test_several_connectors_are_refused_before_anything_is_touched(tmp_path: Path) -> None:
    path = tmp_path / "pile.toml"
    path.write_text(f'{TWO_GUNS}[paths]\nruntime = "{tmp_path}/run"\n', encoding="utf-8")
    with pytest.raises(PortError, match="this version runs one connector"):
        run_field(load_site(path), version="test")
    assert not (tmp_path / "run").exists()

"""A pile on paper: a site file in a folder of its own, and the command line for it."""

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from agent.cli.app import app

ROOT = Path(__file__).parents[2]
_NO_SETTINGS = {"PILE_AGENT_CONFIG": None, "PILE_AGENT_DATA": None}


class Pile:
    """A site file in a folder of its own, and the command line for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state, self.runtime = folder / "state", folder / "run"
        self.site_file = folder / "pile.toml"
        text = (ROOT / "config" / "site-example.toml").read_text(encoding="utf-8")
        text = text.replace('"/var/lib/pile-agent"', f'"{self.state}"').replace(
            '"/run/pile-agent"', f'"{self.runtime}"'
        )
        self.site_file.write_text(text, encoding="utf-8")

    def change(self, old: str, new: str) -> None:
        text = self.site_file.read_text(encoding="utf-8")
        assert old in text
        self.site_file.write_text(text.replace(old, new, 1), encoding="utf-8")

    def __call__(self, *arguments: str, lang: str = "en") -> Result:
        return CliRunner(env=_NO_SETTINGS).invoke(app, ["--config", str(self.site_file), "--lang", lang, *arguments])

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json").stdout)

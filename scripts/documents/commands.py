"""docs/commands.md, from the commands themselves."""

from pathlib import Path

import click

from agent.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
_COLUMNS = 100

_HEAD = """\
# Commands

<!-- Written by `make docs`; change the commands, not this file. -->

```sh
pile-agent --config FILE COMMAND
```

The site file is `/etc/pile-agent/pile.toml` unless `--config` or `$PILE_AGENT_CONFIG` names another. Texts are Chinese
or English by the locale, or by `--lang`. On a terminal there are colours and tables, into a pipe (or with `NO_COLOR`)
plain lines. `--json` writes one JSON document for machines.

| exit code | meaning |
|---|---|
| 0 | success |
| 1 | failed: refused, not settled, no record, a port that cannot be used |
| 2 | wrong configuration or usage: nothing was started |
| 3 | the service is not running, or this user may not talk to it |

`status`, `start`, `stop`, `reset` and `faults` talk to the running field process over its local socket; whoever may
open that socket (the group `pile-agent`) may use them. `sessions`, `session` and `faults` read the record, also while
the service writes it and also when it is not running.

`bms decode` and `bms messages` need neither service nor site file; see [bms-decode.md](bms-decode.md).
Nor does `meter check`; see [meters.md](meters.md). The other `meter` commands talk to a meter
themselves and refuse a line that the running service owns; see
[meter-commissioning.md](meter-commissioning.md).
"""


def text() -> str:
    """The whole document."""
    parts = [_HEAD]
    help_names = list(app.context_settings["help_option_names"])
    with click.Context(app, info_name="pile-agent", terminal_width=_COLUMNS, help_option_names=help_names) as parent:
        parts.append(_part("pile-agent", app.get_help(parent)))
        parts += _commands(app, parent, "")
    return "\n".join(parts)


def _commands(group: click.Group, parent: click.Context, before: str) -> list[str]:
    """The parts of all commands of a group, each group followed by its own."""
    parts = []
    for name in group.list_commands(parent):
        command = group.get_command(parent, name)
        if command is None:
            continue
        with click.Context(command, info_name=name, parent=parent, terminal_width=_COLUMNS) as context:
            parts.append(_part(f"{before}{name}", command.get_help(context)))
            if isinstance(command, click.Group):
                parts += _commands(command, context, f"{before}{name} ")
    return parts


def _part(name: str, help_text: str) -> str:
    lines = "\n".join(line.rstrip() for line in help_text.splitlines())
    return f"## {name}\n\n```text\n{lines}\n```\n"


def documents() -> dict[Path, str]:
    """The document, keyed by its path in the checkout."""
    return {ROOT / "docs" / "commands.md": text()}

"""What the commands share: the options in front of them, the site, the record, the field process."""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from agent.cli.client import FieldClient, NotRunningError
from agent.cli.complaints import complaint, say_error
from agent.cli.exits import EXIT_FAILED, EXIT_NOT_RUNNING, EXIT_WRONG
from agent.cli.words import Speaker
from agent.settings.load import AnySite, load_any_site
from agent.settings.problems import SettingsError
from drivers.text import Language

if TYPE_CHECKING:
    from agent.records.reader import LedgerReader

F = TypeVar("F", bound=Callable[..., Any])


@dataclass
class Context:
    """The options in front of the command."""

    config: str
    language: Language

    @cached_property
    def site(self) -> AnySite:
        """The checked site; ends the command with exit code 2 if it cannot be used."""
        try:
            return load_any_site(Path(self.config))
        except SettingsError as error:
            say_error(*complaint(error, self.language))
            sys.exit(EXIT_WRONG)

    @cached_property
    def speak(self) -> Speaker:
        """The words of the reader's language, with the fault catalogue."""
        return Speaker(self.language, self.site.faults)

    @property
    def utc_offset_minutes(self) -> int:
        """Local time of the pile."""
        return self.site.settings.tariff.utc_offset_minutes

    def client(self) -> FieldClient:
        """A connection to the field process. Raises NotRunningError."""
        return FieldClient(Path(self.site.settings.paths.runtime))

    def not_running(self, error: NotRunningError, as_json: bool) -> NoReturn:
        """Report that the process does not answer, and end with the exit code for it."""
        pick = self.speak.pick
        if error.denied:
            text = pick("没有权限访问控制进程", "this user may not talk to the field process")
            hint = pick("加入 pile-agent 组或使用 sudo", "join the group pile-agent, or use sudo")
        else:
            text = pick("控制进程没有运行", "the field process is not running")
            hint = pick("查看:systemctl status pile-agent-control", "look at: systemctl status pile-agent-control")
        if as_json:
            print_json({"error": "not_running", "reason": str(error)})
        say_error(f"{text} ({error})", hint)
        sys.exit(EXIT_NOT_RUNNING)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


@contextlib.contextmanager
def reading(context: Context) -> Iterator["LedgerReader"]:
    """The record, opened for reading; what is wrong with it ends the command with exit code 1."""
    from agent.records.errors import LedgerError
    from agent.records.reader import LedgerReader

    try:
        with LedgerReader(Path(context.site.settings.paths.state)) as reader:
            yield reader
    except LedgerError as error:
        say_error(str(error))
        sys.exit(EXIT_FAILED)


def json_option(command: F) -> F:
    """``--json`` for machines."""
    return click.option("--json", "as_json", is_flag=True, help="Write one JSON document, for machines.")(command)

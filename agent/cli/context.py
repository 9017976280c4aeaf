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
from agent.settings.load import load_site
from agent.settings.problems import SettingsError
from agent.settings.site import ConnectorOfSite, Site
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
    def site(self) -> Site:
        """The checked site; ends the command with exit code 2 if it cannot be used."""
        try:
            return load_site(Path(self.config))
        except SettingsError as error:
            say_error(*complaint(error, self.language))
            sys.exit(EXIT_WRONG)

    def connector(self, number: int | None) -> ConnectorOfSite:
        """The connector of that number, or the only one; ends the command with exit code 2 if there is none."""
        connectors = self.site.connectors
        found = [each for each in connectors if number is None or each.number == number]
        if len(found) == 1:
            return found[0]
        numbers = ", ".join(str(each.number) for each in connectors)
        if number is None:
            text = self.speak.pick(
                f"有多把枪:用 --connector 指定 {numbers}", f"several connectors: give --connector {numbers}"
            )
        else:
            text = self.speak.pick(f"没有枪 {number};有:{numbers}", f"no connector {number}; there is: {numbers}")
        say_error(text)
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
            text = pick("没有权限访问控制进程", "no permission to connect to the field process")
            hint = pick("加入 pile-agent 组或使用 sudo", "join the group pile-agent, or use sudo")
        else:
            text = pick("控制进程未运行", "the field process is not running")
            hint = pick("查看:systemctl status pile-agent-control", "check: systemctl status pile-agent-control")
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


def connector_option(command: F) -> F:
    """``--connector`` for commands that need one of several."""
    text = "Number of the connector; needed if the pile has several."
    return click.option("--connector", type=click.IntRange(1, 4), default=None, help=text)(command)


def json_option(command: F) -> F:
    """``--json`` for machines."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(command)

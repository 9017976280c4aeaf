"""``pile-agent migrate``: shows or writes the files of a pile in the layout of this version."""

from pathlib import Path

import click

from agent.cli.complaints import complaint, say_error
from agent.cli.exits import EXIT_FAILED, EXIT_OK, EXIT_WRONG
from agent.settings.migration.plan import make_plan, write_plan
from agent.settings.problems import SettingsError
from drivers.text import Language, Text


def run_migrate(path: Path, language: Language, *, write: bool) -> int:
    """Convert the site file at ``path`` and what belongs to it. Returns the exit code."""

    def say(text: Text) -> None:
        say_error(text.in_(language))

    try:
        plan = make_plan(path)
    except SettingsError as error:
        say_error(*complaint(error, language))
        return EXIT_WRONG
    if not plan.files:
        say(Text(f"{path} 已是新格式,无需转换", f"{path} has layout 2 already, nothing to do"))
        return EXIT_OK
    if not plan.comments_kept:
        say(Text("注释无法保留,旧文件中仍有", "the comments cannot be kept; the old file has them"))
    if not write:
        for number, (file, text) in enumerate(plan.files.items()):
            if len(plan.files) > 1:
                click.echo(f"{'' if not number else chr(10)}# {file}")
            click.echo(text, nl=False)
        say(Text("未写入;加 --write 写入", "nothing was written; --write writes it"))
        return EXIT_OK
    try:
        backups = write_plan(plan)
    except OSError as error:
        say(
            Text(
                f"{error.filename}:无法写入({error.strerror})",
                f"{error.filename}: cannot be written ({error.strerror})",
            )
        )
        return EXIT_FAILED
    for file in plan.files:
        say(Text(f"已写入 {file}", f"written: {file}"))
    for file in backups:
        say(Text(f"旧文件保留为 {file}", f"the old file is kept as {file}"))
    say(Text("请运行 pile-agent check", "now run `pile-agent check`"))
    return EXIT_OK

"""Starts one of the two processes, or reports the errors of the configuration and starts nothing."""

import os
import re
import sys
from pathlib import Path

from agent.cli.complaints import complaint, say_error
from agent.cli.exits import EXIT_FAILED, EXIT_WRONG
from agent.cli.logs import log_to_stderr
from agent.settings.load import load_site
from agent.settings.problems import SettingsError
from agent.settings.site import Site
from drivers.errors import PortError
from drivers.text import Language


def version() -> str:
    """Version of the package: from the folder that its installation left beside it, or from the checkout.

    The standard library's way (importlib.metadata) loads the mail package, which the field process need not carry.
    """
    root = Path(__file__).resolve().parents[2]
    for folder in root.glob("pile_agent-*.dist-info"):
        return folder.name.removeprefix("pile_agent-").removesuffix(".dist-info")
    try:
        text = (root / "pyproject.toml").read_text(encoding="utf-8")
    except OSError:
        return "unknown"
    found = re.search(r'^version = "([^"]+)"', text, re.MULTILINE)
    return found.group(1) if found else "unknown"


def run_service(name: str, config: str, language: str) -> int:
    """Run ``field``, ``north`` or ``make-safe`` until it ends. Returns the exit code."""
    spoken: Language = "zh" if language == "zh" else "en"
    if name == "make-safe":
        from agent.cli.make_safe import run_make_safe

        return run_make_safe(Path(config), spoken)
    try:
        site = load_site(Path(config))
    except SettingsError as error:
        say_error(*complaint(error, spoken))
        return EXIT_WRONG
    log_to_stderr()
    run = _field if name == "field" else _north
    try:
        return run(site)
    except PortError as error:
        say_error(f"{error.where}: {error.what}", error.hint)
        return EXIT_FAILED
    except PermissionError as error:
        say_error(_permission_text(error, spoken))
        return EXIT_FAILED


def _permission_text(error: PermissionError, language: Language) -> str:
    path = error.filename or "?"
    if language == "zh":
        return f"{path}:没有权限;用服务的用户运行,或修改该文件夹的所有者"
    return f"{path}: permission denied; run it as the user of the service, or change the owner of that folder"


def _field(site: Site) -> int:
    from agent.field.process import run_field

    return run_field(site, version=version())


def _north(site: Site) -> int:
    from agent.north.process import run_north

    return run_north(site.settings, version=version())


def service_command(name: str, config: str, language: str) -> list[str]:
    """The command that starts a service in a process of its own, with this interpreter."""
    return [sys.executable, "-m", "agent.cli.main", "--config", os.path.abspath(config), "--lang", language, name]

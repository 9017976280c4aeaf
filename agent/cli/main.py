"""``pile-agent``: where every process of the agent begins.

The two services start without loading the rest of the command line: the field process is counted in milliseconds
and megabytes, and it needs neither option parser nor tables.
"""

import sys
from collections.abc import Sequence

from agent.cli.exits import default_config, default_language

_SERVICES = {"field": "field", "north": "north", "make-safe": "make-safe", "control": "field", "agent": "north"}
"""The services by command; ``control`` and ``agent`` are the former commands, as in earlier unit files."""


def plain_service(arguments: Sequence[str]) -> tuple[str, str, str] | None:
    """(service, site file, language) if the arguments are simply a service, else None.

    Everything else, wrong options and ``--help`` among it, is left to the full command line.
    """
    config, language = default_config(), default_language()
    rest = list(arguments)
    while len(rest) > 1:
        name, _, value = rest.pop(0).partition("=")
        if name not in ("--config", "--lang"):
            return None
        if not value:
            value = rest.pop(0)
        if name == "--config":
            config = value
        elif value in ("zh", "en"):
            language = value
        else:
            return None
    if len(rest) != 1 or rest[0] not in _SERVICES or config.startswith("-"):
        return None
    return _SERVICES[rest[0]], config, language


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; ends the process with the exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    service = plain_service(given)
    if service is not None:
        from agent.cli.service import run_service

        sys.exit(run_service(*service))
    from agent.cli.app import app

    app(given, prog_name="pile-agent")


if __name__ == "__main__":
    main()

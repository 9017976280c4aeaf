"""Exit codes of the commands, and what holds when an option is not given."""

import os

DEFAULT_CONFIG = "/etc/pile-agent/pile.toml"
CONFIG_VARIABLE = "PILE_AGENT_CONFIG"

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_WRONG = 2
"""Wrong configuration or usage."""
EXIT_NOT_RUNNING = 3
"""The service is not running."""


def default_config() -> str:
    """The site file when none is named."""
    return os.environ.get(CONFIG_VARIABLE) or DEFAULT_CONFIG


def default_language() -> str:
    """``zh`` if the locale of the user is Chinese, else ``en``."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name)
        if value:
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"

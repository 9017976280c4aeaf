"""What the judge finds."""

from typing import NamedTuple


class Finding(NamedTuple):
    """A value beyond its limit. ``code`` names the rule (``observer.rules.RULES`` has the texts of most).

    ``limit``, ``seen`` and ``amount`` (how far beyond) are in ``unit``: V, A, %, s or degC.
    """

    code: str
    message: str
    limit: float
    seen: float
    unit: str
    amount: float

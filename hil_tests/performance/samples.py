"""Many measured values and their statistics."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value that ``share`` (0 to 1) of the sorted values do not exceed: nearest rank, nothing in between made up.

    Raises ValueError if there are no values or ``share`` is out of range.
    """
    if not ordered:
        raise ValueError("no values")
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"share {share} is not within 0..1")
    # The last digits of a product such as 0.999 * 20000 must not push the rank up by one.
    rank = math.ceil(round(share * len(ordered), 9))
    return ordered[max(rank, 1) - 1]


@dataclass(frozen=True, slots=True)
class Summary:
    """Size and quantiles of a sample, in the unit of its values."""

    count: int
    p50: float
    p99: float
    p99_9: float
    maximum: float

    def as_dict(self, digits: int = 1) -> dict[str, float]:
        """For the report."""
        return {
            "count": self.count,
            "p50": round(self.p50, digits),
            "p99": round(self.p99, digits),
            "p99.9": round(self.p99_9, digits),
            "max": round(self.maximum, digits),
        }


def summarise(values: Sequence[float]) -> Summary:
    """Quantiles of ``values``. Raises ValueError if there are none."""
    ordered = sorted(values)
    return Summary(
        count=len(ordered),
        p50=quantile(ordered, 0.5),
        p99=quantile(ordered, 0.99),
        p99_9=quantile(ordered, 0.999),
        maximum=quantile(ordered, 1.0),
    )


def median(values: Sequence[float]) -> float:
    """The middle value (the lower one of two). Raises ValueError if there are none."""
    return quantile(sorted(values), 0.5)

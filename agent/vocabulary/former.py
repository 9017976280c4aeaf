"""Former names of record kinds and faults, so that ledgers, own fault catalogues and old records still read.

A record keeps the name under which it was written: its chain of hashes covers it. Whatever reads records asks here.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from agent.vocabulary import kinds

KINDS: Final[Mapping[str, str]] = MappingProxyType({"register_frozen": kinds.REGISTER_SNAPSHOT})
"""The kind of today for each former one."""

FAULTS: Final[Mapping[str, str]] = MappingProxyType(
    {"meter_register_frozen": "meter_register_stuck", "bms_data_frozen": "bms_data_stuck"}
)
"""The fault id of today for each former one."""


def kind_of_today(kind: str) -> str:
    """``kind``, or the name that it has today."""
    return KINDS.get(kind, kind)


def fault_of_today(fault_id: str) -> str:
    """``fault_id``, or the id that it has today."""
    return FAULTS.get(fault_id, fault_id)

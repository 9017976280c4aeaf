"""Errors of the record, one class for each remedy."""


class LedgerError(Exception):
    """The ledger cannot be written or read now (disk full, read-only, in use). Trying again later may help.

    ``str(error)`` is a reason for people, in one line.
    """


class LedgerDamagedError(LedgerError):
    """The file itself is damaged: it must be moved aside, trying again does not help."""

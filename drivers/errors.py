"""Errors that a driver raises for a person: what went wrong, where, and what to do about it."""


class PortError(Exception):
    """A port could not be opened or has gone.

    ``what`` is the failure, ``where`` names the port, ``hint`` is the remedy.
    """

    def __init__(self, what: str, where: str, hint: str) -> None:
        super().__init__(f"{where}: {what}. {hint}")
        self.what = what
        self.where = where
        self.hint = hint

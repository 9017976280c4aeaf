"""For all tests. mypy leaves this file out: a second conftest.py has the same module name."""

from checked_bodies import bodies_fit_the_table

__all__ = ["bodies_fit_the_table"]

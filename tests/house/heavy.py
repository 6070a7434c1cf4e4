"""Packages that take long to load, for the tests that hold them off the ways that must be quick."""

from typing import Final

HEAVY: Final = frozenset(
    ("asyncssh", "cryptography", "obstore", "pydantic", "rich", "sqlite3", "textual", "trio")
)
"""Each must be installed where the tests run: what is not there is never loaded either."""

"""The host setup script: run once for a home, its success kept in `prepared`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from batchio.agent.basics import dumps, loads, raw, short_of, slurp

if TYPE_CHECKING:
    from batchio.agent.helpers import Helpers
    from batchio.agent.outbox import Outbox
    from batchio.agent.setup import Setup


class Preparation:
    """The host setup script of a job, and its result."""

    def __init__(self, helpers: Helpers, outbox: Outbox, home: str) -> None:
        self.helpers = helpers
        self.outbox = outbox
        self.home = home
        self.script: str | None = None
        self.result: tuple[int, str] | None = None

    def run(self, script: str, timeout: float | None, setup: Setup | None) -> None:
        """Run the script, or tell its result again; a script that failed is run again."""
        if self.script == script and not (self.result and self.result[0]):
            if self.result:
                self.outbox.tell(["prepared", *self.result])
            return
        self.script, self.result = script, None
        try:
            known, said = loads(slurp(self.home + "/prepared") or b"null")
        except (ValueError, TypeError, RecursionError):
            known = said = None
        if known == script and isinstance(said, str):
            self.ended(script, 0, said)
            return
        path = os.fsencode(self.home) + b"/prepare"
        try:
            with open(path, "wb") as file:
                os.fchmod(file.fileno(), 0o700)
                file.write(raw(script))
        except OSError as error:
            if short_of(error):
                raise  # then we are asked again
            self.ended(script, 126, "the script cannot be written: %s" % error.strerror)
            return
        argv = [path] if script.startswith("#!") else [b"/bin/sh", b"-e", path]
        self.helpers.ask(argv, setup, timeout, lambda code, tail: self.ended(script, code, tail))

    def ended(self, script: str, code: int, tail: str) -> None:
        if self.script == script:
            self.result = (code, tail)
        self.outbox.tell(["prepared", code, tail])
        if not code:
            try:
                with open(self.home + "/prepared", "w") as file:
                    file.write(dumps([script, tail]))
            except OSError as error:  # the next agent will run it again
                self.outbox.trouble(
                    "that the host setup has run cannot be kept: %s" % error.strerror
                )

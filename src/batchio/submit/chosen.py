"""The environment that a job names itself: by --software, or in its script (PEP 723)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from batchio.core.spec import PYTHON
from batchio.errors import UsageError
from batchio.submit.caller import blamed
from batchio.submit.interpreter import UsersPython, users_python

if TYPE_CHECKING:
    from batchio.options.command import Command
    from batchio.options.resolve import Effective
    from batchio.submit.caller import CallerContext


def chosen_python(effective: Effective, here: CallerContext) -> UsersPython | None:
    """Return the Python of the environment that --software names; None when it names none.

    One of a file is made when it is not there yet.

    Raises:
        UsageError: there is none, the file says nothing of packages, or uv cannot make it.
    """
    given = effective.value("software")
    if not given:
        return None
    try:
        return _named(given, here)
    except UsageError as err:
        hint = f"{err.hint}; " if err.hint else ""
        wrong = UsageError(err.message, hint=f"{hint}to run without it: --ignore software")
        raise blamed(effective, "software", wrong) from None


def _named(given: str, here: CallerContext) -> UsersPython:
    from batchio.software import made

    path = here.path(given)
    if os.path.isfile(path):
        source = made.source_of(path)
        if source is None:
            raise UsageError(
                f"{given} names no packages that it needs (PEP 723)", hint=f"give {made.KINDS}"
            )
        python = made.environment_of(source, users_python(None, here).path, here.environ)
        return UsersPython(python, given)
    found = made.named(given, here.environ)
    if found is None:
        raise UsageError(f'there is no file and no environment called "{given}"')
    return UsersPython(found.python, given)


def script_python(
    effective: Effective, command: Command, here: CallerContext
) -> UsersPython | None:
    """Return the Python of the environment that the script of a job asks for (PEP 723).

    None when it asks for none, when the job says which Python it means, or without uv.

    Raises:
        UsageError: the block is broken, or uv cannot make it.
    """
    if command.argv[:1] != (PYTHON,) or command.text is not None or not command.sources:
        return None
    if effective.value("python") or effective.value("package-sync") is False:
        return None
    script = command.sources[0]
    if not here.look(script).is_file or "# /// script" not in here.text(script):
        return None
    from batchio.software import made
    from batchio.software.uv import find_uv

    source = made.source_of(here.path(script))
    if source is None or find_uv(here.environ, here.folder) is None:
        return None
    try:
        python = made.environment_of(source, users_python(None, here).path, here.environ)
    except UsageError as err:
        hint = "to use the packages of your environment: --no-package-sync"
        raise UsageError(f"{script} (PEP 723): {err.message}", hint=err.hint or hint) from None
    return UsersPython(python, f"{script}, PEP 723")


def activated(python: UsersPython, here: CallerContext) -> dict[str, str]:
    """Return the variables by which tasks on this computer are in an environment."""
    programs = os.path.dirname(python.path)
    path = here.environ.get("PATH") or os.defpath
    return {"VIRTUAL_ENV": os.path.dirname(programs), "PATH": f"{programs}:{path}"}

"""The client's half of `run`: from a command and options to a job in the workspace.

`prepare` reads and checks everything, and makes nothing; `Prepared.plan` describes the job,
`Prepared.create` makes it. All of it blocks.

Files that travel: the script and the files that its command line names (`options.command`),
and those that --upload and --sync name (`files`, `walk`), less those that ignore files exclude
(`ignore`). To other computers the user's Python environment travels, too (`environment`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchio.core.traits import Trait
from batchio.errors import UsageError
from batchio.options.layers import environment_layer, typed_layer
from batchio.options.resolve import resolve
from batchio.providers import traits
from batchio.stores import is_bucket, open_workspace
from batchio.submit import config, earlier
from batchio.submit.caller import CallerContext, blamed
from batchio.submit.chosen import chosen_python
from batchio.submit.environment import environment_for, look
from batchio.submit.files import bundle_for
from batchio.submit.interpreter import notes, users_python
from batchio.submit.own_keys import own_keys
from batchio.submit.prepared import Plan, Prepared
from batchio.submit.resolving import resolve_job
from batchio.submit.tasks import idle, source, unfilled, unused

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from batchio.options.resolve import Effective
    from batchio.options.words import Words
    from batchio.ports import Workspace
    from batchio.software.made import Made
    from batchio.submit.environment import Environment

__all__ = ["Plan", "Prepared", "dashboard_keys", "prepare", "workspace_of"]


def prepare(
    command: Words,
    options: Mapping[str, Any],
    *,
    typed: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Prepared:
    """Read and check everything about a job that can be known before it is made.

    Args:
        command: The words of a command, a path, or one string, as `batchio.run` takes it.
        options: Keyword arguments of a Python call.
        typed: The options of a command line, instead: option name to text.
        environ: The caller's environment; None: that of this process.
        folder: The caller's current folder; None: that of this process.

    Raises:
        UsageError: something about the request is wrong; nothing was made.
    """
    here = CallerContext(
        os.path.abspath(folder or os.getcwd()), os.environ if environ is None else environ
    )
    resolved = resolve_job(command, options, typed, here)
    workspace = _opened(resolved.effective, here)
    bundle = bundle_for(resolved, here, workspace)
    avoided = [os.path.abspath(workspace.local)] if workspace.local else []
    environment, said = environment_for(resolved, here, avoided)
    tasks = source(resolved.effective, here)
    _check_target(resolved.effective, here)
    noted = earlier.notes(resolved.effective, here, workspace)
    said += [] if resolved.environment else notes(resolved.command, here)
    warnings = [*resolved.warnings, *bundle.warnings, *said, *noted]
    if tasks is None:
        warnings += idle(resolved.effective)
    warnings += unfilled(resolved.command, tasks)
    here_only = Trait.REMOTE not in traits(resolved.provider)
    known = here_only and not resolved.effective.value("container")
    if typed is not None and (resolved.command.files or known):
        warnings += unused(resolved, tasks, bundle, here)
    if here_only:
        warnings += _fewer_at_once(resolved.effective, mapped=tasks is not None)
    return Prepared(resolved, tasks, bundle, environment, workspace, here, warnings)


def _fewer_at_once(effective: Effective, *, mapped: bool) -> list[str]:
    """Return a line when this computer will run fewer tasks at a time than were asked for."""
    asked, slots = effective.value("max-workers"), effective.value("slots")
    array = effective.value("array")
    asked = (array.at_once if array else None) or asked
    if not asked or asked < 0:
        return []
    if not mapped:
        asked = min(asked, len(array.ids) if array else effective.value("ntasks") or 1)
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    each = effective.value("cpu")
    most = slots or max(int(cpus / ((each[0] if each else None) or 1.0)), 1)
    if asked <= most:
        return []
    have = f"--slots {slots}" if slots else f"this computer has {cpus} CPUs"
    return [f"{most} tasks run at a time, not {asked}: {have}; to run more: --slots {asked}"]


def dashboard_keys(actions: Collection[str], names: Collection[str]) -> dict[str, str]:
    """Return a person's own keys of the dashboard; see `own_keys`."""
    return own_keys(CallerContext(os.getcwd(), os.environ), actions, names)


def workspace_of(given: str | None) -> Workspace:
    """Return the workspace that a person means.

    That is `given`, else what the environment or a configuration file says, else the
    platform's folder for data.

    Raises:
        UsageError: it is no folder or bucket, or a configuration file is broken.
    """
    here = CallerContext(os.getcwd(), os.environ)
    top = typed_layer({"workspace": given})
    below = [environment_layer(here.environ), *config.layers(here)]
    return _opened(resolve([top, *below], here.environ), here)


def users_environment(typed: Mapping[str, Any]) -> tuple[Environment, list[str]]:
    """Return the Python environment that would travel with a job, and warnings.

    Args:
        typed: The options of a command line: name to text.

    Raises:
        UsageError: its Python cannot be asked, or a folder of it cannot be read.
    """
    here = CallerContext(os.getcwd(), os.environ)
    layers = [typed_layer(typed), environment_layer(here.environ), *config.layers(here)]
    effective = resolve(layers, here.environ)
    python = chosen_python(effective, here) or users_python(effective.value("python"), here)
    return look(python, here, effective.value("package-sync-ignore"))


def create_environment(name: str, typed: Mapping[str, Any]) -> Made:
    """Make an environment with a name, of the file that --software names.

    Args:
        typed: The options of a command line: name to text.

    Raises:
        UsageError: no such file is named, or uv cannot make it.
    """
    from batchio.software import made

    here = CallerContext(os.getcwd(), os.environ)
    layers = [typed_layer(typed), environment_layer(here.environ), *config.layers(here)]
    effective = resolve(layers, here.environ)
    given = effective.value("software")
    source = made.source_of(here.path(given)) if given else None
    if source is None:
        raise UsageError("no file says what is in it", hint=f"--software FILE: {made.KINDS}")
    python = users_python(effective.value("python"), here).path
    return made.create(name, [source], python, here.environ)


def environments() -> list[Made]:
    """Return the environments of this user that have a name."""
    from batchio.software import made

    return made.environments(os.environ)


def delete_environment(name: str) -> None:
    """Delete the environment of that name.

    Raises:
        UsageError: there is none.
    """
    from batchio.software import made

    made.delete(name, os.environ)


def clean_packages() -> int:
    """Remove the packed packages of this user from this computer; return how many bytes."""
    from batchio.software.cache import Cache, cache_folder

    return Cache(cache_folder(os.environ)).clean()


def _check_target(effective: Effective, here: CallerContext) -> None:
    """Raise UsageError when outputs could not be put where they shall: now, not after the work."""
    for option in ("download", "sync"):
        if not (typed := effective.value(option)):
            continue
        path = Path(here.path(typed))
        there = next(folder for folder in (path, *path.parents) if os.path.lexists(folder))
        why = None if there.is_dir() else "is not a folder"
        if why is None and not os.access(there, os.W_OK | os.X_OK):
            why = "is not writable, but output files of tasks go there"
        if why:
            wrong = UsageError(f"{here.shown(str(there))} {why}", hint="choose another folder")
            raise blamed(effective, option, wrong)


def _opened(effective: Effective, here: CallerContext) -> Workspace:
    place = effective.value("workspace")
    if place and not place.startswith("file:") and not is_bucket(place):
        place = here.path(place)
    return open_workspace(place)

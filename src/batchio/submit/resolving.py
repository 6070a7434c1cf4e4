"""Which settings are in effect: every layer of settings, the command, the files that options name.

Reads; makes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from batchio.core.spec import HEADS_HERE, SCRIPT_NAME
from batchio.core.traits import Trait
from batchio.errors import UsageError
from batchio.filestores import check
from batchio.options.command import plan_stream, plan_text, plan_words
from batchio.options.directives import ignored, parse
from batchio.options.layers import (
    Layer,
    Setting,
    call_layer,
    directive_layers,
    environment_layer,
    typed_layer,
)
from batchio.options.resolve import resolve
from batchio.options.table import get, suggestion
from batchio.options.texts import unpassable
from batchio.options.to_spec import ResolvedJob
from batchio.options.words import as_words
from batchio.providers import NAMES, check_head, traits
from batchio.stores import is_bucket
from batchio.submit import config, env_file, requirements
from batchio.submit.caller import blamed
from batchio.submit.chosen import activated, chosen_python, script_python
from batchio.submit.interpreter import users_python

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from batchio.options.command import Command
    from batchio.options.directives import Directive
    from batchio.options.resolve import Effective
    from batchio.options.words import Words
    from batchio.submit.caller import CallerContext
    from batchio.submit.interpreter import UsersPython

ABOUT_COMMAND: Final = frozenset(("shell", "implicit-upload", "command-as-script", "ignore"))
"""Options that must be known before the script is, and so before its directives are."""

ENGINES: Final = ("podman", "docker")


def resolve_job(
    command: Words,
    options: Mapping[str, Any],
    typed: Mapping[str, Any] | None,
    here: CallerContext,
) -> ResolvedJob:
    """Read every place that says something about this job, and return what is in effect.

    Raises:
        UsageError: one of them is wrong; the message says where.
    """
    command = as_words(command)
    top = call_layer(options) if typed is None else typed_layer(typed)
    below = [environment_layer(here.environ), *config.layers(here)]
    planned = _planned(command, _about_command([top, *below]), here)
    directives, notes, name = _directives(planned, here)
    layers = [top, *directive_layers(directives, name), *below]
    effective = resolve(layers, here.environ)
    effective = _with_provider(effective, layers, here)
    provider = _provider(effective)
    planned = _planned(command, effective, here)
    coiled = frozenset(f"{name}:{item.line}" for item in directives if item.tag == "COILED")
    container, said = _container(effective, provider, coiled, here)
    filestore, unknown = _input_filestore(effective, provider, coiled)
    warnings = [
        *notes,
        *effective.notes,
        *effective.unsupported(provider, traits(provider)),
        *said,
        *unknown,
    ]
    hosts = _hosts(effective, provider, here)
    requirements.check(effective, provider, len(hosts) or 1, coiled)
    _check_head(effective, provider)
    environment = chosen_python(effective, here)
    if environment and container:
        raise _twice(effective)
    if environment is None and container is None:
        environment = script_python(effective, planned, here)
    resolved = ResolvedJob(
        command=planned,
        effective=effective,
        provider=provider,
        python=_python(effective, provider, container, environment, here),
        environment=environment,
        activated=activated(environment, here) if environment and _here(provider) else {},
        container=container,
        input_filestore=filestore,
        output_filestore=_output_filestore(effective),
        hosts=hosts,
        ignored=effective.ignored(provider, traits(provider)),
        host_setup=_file_text(effective, "host-setup-script", here),
        env_file=_env_file(effective, "env-file", here),
        secrets=effective.with_file("secret-env", _env_file(effective, "secret-env-file", here)),
        coiled=coiled,
        warnings=tuple(warnings),
    )
    if _here(provider) and container is None:
        requirements.check_program(resolved, here)
    return resolved


# --- the command and its script ------------------------------------------------------


def _about_command(layers: Sequence[Layer]) -> Effective:
    return resolve(
        [
            Layer(tuple(s for s in layer.settings if s.option.name in ABOUT_COMMAND))
            for layer in layers
        ],
        {},
    )


def _planned(command: str | Sequence[str], effective: Effective, here: CallerContext) -> Command:
    shell, send = effective.value("shell"), effective.value("implicit-upload")
    if isinstance(command, str) and not shell:
        if why := unpassable(command.replace("\0", "")):  # a script may hold what it likes
            raise UsageError(f"the script contains {why}")
        return plan_text(
            command,
            here.look,
            as_script=effective.value("command-as-script"),
            listing=here.neighbours(command.partition(" ")[0]),
            send=send,
        )
    words = [command] if isinstance(command, str) else list(command)
    for word in words:
        if why := unpassable(word):
            raise UsageError(f"a word of the command contains {why}")
    if words and not shell and (text := here.streamed(words[0])) is not None:
        return plan_stream(text, words, here.look, send=send)
    return plan_words(
        words,
        here.look,
        listing=here.neighbours(words[0] if words else ""),
        shell=shell,
        send=send,
        on_path=here.on_path,
    )


def _directives(command: Command, here: CallerContext) -> tuple[list[Directive], list[str], str]:
    """Return the directives of the first script that has any, notes, and its name."""
    if command.text is not None:
        found = parse(command.text, SCRIPT_NAME)
        return found, ignored(command.text, SCRIPT_NAME), SCRIPT_NAME
    notes: list[str] = []
    for name in command.sources:
        text = here.text(name)
        if "\0" in text:  # a program, not a script
            continue
        found = parse(text, name)
        notes += ignored(text, name)
        if found:
            return found, notes, name
    return [], notes, ""


# --- where it runs -------------------------------------------------------------------


def _with_provider(effective: Effective, layers: Sequence[Layer], here: CallerContext) -> Effective:
    """Return the options with the provider that follows from the hosts: named ones mean ssh.

    A provider that is named in the same layer, or in a higher one, counts more.

    Raises:
        UsageError: --hosts was given and names none.
    """
    named = _hosts_named(effective)
    if named and effective.outranks(named, "provider"):
        implied = Setting(get("provider"), "ssh", f"because of --{named}", None)
        return resolve([Layer((implied,)), *layers], here.environ)
    if not effective.is_set("provider") and any(
        setting.option.name == "hosts" for setting in layers[0].settings
    ):
        # An empty list, as of `--hosts "$UNSET"`: this computer is not what was meant.
        hint = "name a host, or use this computer: --provider local"
        raise blamed(effective, "hosts", UsageError("it is empty", hint=hint))
    return effective


def _hosts_named(effective: Effective) -> str:
    """Return the name of the option that names hosts, or ""."""
    return next((name for name in ("hosts", "hosts-file") if effective.value(name)), "")


def _provider(effective: Effective) -> str:
    name: str = effective.value("provider")
    if name not in NAMES:
        known = ", ".join(NAMES)
        close = suggestion(name, NAMES)
        hint = close if close.startswith("did") else f"the providers are {known}"
        raise blamed(effective, "provider", UsageError(f'there is no provider "{name}"', hint=hint))
    return name


def _here(provider: str) -> bool:
    """Return whether tasks run on this very computer."""
    return Trait.REMOTE not in traits(provider)


def _hosts(effective: Effective, provider: str, here: CallerContext) -> tuple[str, ...]:
    """Return the hosts of --hosts and of the hosts file, each checked."""
    if Trait.HOSTS not in traits(provider):
        return ()
    from batchio.providers import hosts

    named = "hosts"
    words: list[str] = []
    try:
        words += hosts.expand(effective.value("hosts"))
        named = "hosts-file"
        if file := effective.value("hosts-file"):
            words += hosts.read(here.opened(file))
        named = _hosts_named(effective)
        hosts.parse_hosts(words)
    except UsageError as err:
        raise blamed(effective, named, err) from None
    if not words:
        raise UsageError(
            "the ssh provider needs hosts",
            hint="give them: --hosts alice@gpu1,gpu2, or --hosts-file FILE",
        )
    return tuple(words)


def _check_head(effective: Effective, provider: str) -> None:
    """Raise UsageError when the head cannot be where it shall be."""
    head, place = effective.value("head"), effective.value("workspace") or ""
    if head in HEADS_HERE:
        return
    try:
        check_head(head, provider, shared=is_bucket(place))
    except UsageError as err:
        raise blamed(effective, "head", err) from None


def _container(
    effective: Effective, provider: str, coiled: AbstractSet[str], here: CallerContext
) -> tuple[str | None, list[str]]:
    """Return the image to run in, if any, and warnings about it.

    `coiled` are the places of the directives for Coiled.

    On this computer a container needs an engine. Without one, a script written for Coiled
    still runs, on the computer itself; a request to batchio itself is refused.
    """
    image: str | None = effective.value("container")
    if not image or (
        effective.value("run-on-host") and not effective.outranks("container", "run-on-host")
    ):
        return None, []
    if not _here(provider) or any(map(here.on_path, ENGINES)):
        return image, []
    origin = effective.origin("container")
    missing = f"neither {' nor '.join(ENGINES)} is installed here"
    if origin in coiled:
        note = f"--container {image} ({origin}): ignored, {missing}; tasks run without it"
        return None, [note]
    hint = "to run it without the container: --run-on-host"
    raise blamed(effective, "container", UsageError(missing, hint=hint))


def _input_filestore(
    effective: Effective, provider: str, coiled: AbstractSet[str]
) -> tuple[str | None, list[str]]:
    """Return the URL of the store for inputs, if any, and warnings about it."""
    url: str | None = effective.value("input-filestore")
    if not url or _here(provider):
        return None, []
    origin = effective.origin("input-filestore")
    if origin in coiled and "://" not in url:
        return None, [f"--input-filestore {url} ({origin}): ignored, it is a filestore of Coiled's"]
    return _store(effective, "input-filestore"), []


def _output_filestore(effective: Effective) -> str | None:
    """Return the URL of the store for output files, if any."""
    url = _store(effective, "output-filestore")
    for other in ("download", "sync"):
        if url and effective.value(other):
            twice = UsageError(
                f"output files go to one place, but --output-filestore {url} is another",
                hint="leave out one of them",
            )
            raise blamed(effective, other, twice)
    return url


def _store(effective: Effective, name: str) -> str | None:
    """Return the URL that an option gives, if any; it may be that of a file store."""
    url: str | None = effective.value(name)
    try:
        if url:
            check(url)
    except UsageError as err:
        raise blamed(effective, name, err) from None
    return url.rstrip("/") if url else None


def _twice(effective: Effective) -> UsageError:
    hint = "leave one of them out, or run on the node itself: --run-on-host"
    return blamed(effective, "software", UsageError("a container has its own packages", hint=hint))


def _python(
    effective: Effective,
    provider: str,
    container: str | None,
    environment: UsersPython | None,
    here: CallerContext,
) -> str | None:
    """Return the interpreter for .py scripts; None: the node chooses."""
    given: str | None = effective.value("python")
    if environment:
        return environment.path if _here(provider) else None
    if not _here(provider) and effective.value("package-sync"):
        return None  # it names the environment that travels
    if not _here(provider) or container:
        return given
    if given:
        return here.path(given) if "/" in given else given
    return users_python(None, here).path


# --- files that options name ---------------------------------------------------------


def _file_text(effective: Effective, name: str, here: CallerContext) -> str | None:
    typed = effective.value(name)
    if not typed:
        return None
    try:
        return here.text(typed)
    except UsageError as err:
        raise blamed(effective, name, err) from None


def _env_file(effective: Effective, name: str, here: CallerContext) -> dict[str, str]:
    """Return the variables of .env files; those of a later file win."""
    out: dict[str, str] = {}
    for typed in effective.value(name):
        try:
            out |= env_file.parse(here.text(typed), typed)
        except UsageError as err:
            raise err if err.where else blamed(effective, name, err) from None
    return out

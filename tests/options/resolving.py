"""The options that are in effect, given what each place says."""

from __future__ import annotations

from typing import Any

from batchio.options.directives import parse
from batchio.options.layers import (
    call_layer,
    config_layer,
    directive_layers,
    environment_layer,
    typed_layer,
)
from batchio.options.resolve import Effective, resolve


def resolved(
    typed: dict[str, Any] | None = None,
    script: str = "",
    environ: dict[str, str] | None = None,
    project: dict[str, Any] | None = None,
    user: dict[str, Any] | None = None,
    call: dict[str, Any] | None = None,
) -> Effective:
    """Every layer in its order."""
    environ = environ or {}
    return resolve(
        [
            call_layer(call) if call is not None else typed_layer(typed or {}),
            *directive_layers(parse(script, "hello.sh"), "hello.sh"),
            environment_layer(environ),
            config_layer(project or {}, "pyproject.toml [tool.batchio]"),
            config_layer(user or {}, "~/.config/batchio/batchio.toml"),
        ],
        environ,
    )

"""What this computer knows of AWS without the SDK: a usual region, and whether it has credentials.

Source: docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html.
"""

from __future__ import annotations

import os
from configparser import ConfigParser
from configparser import Error as ConfigError
from pathlib import Path
from typing import Final

FALLBACK: Final = "us-east-1"
"""The region whose prices are shown where no region is configured."""

_VARIABLES: Final = (
    "AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
)  # fmt: skip
"""Variables of which each says where credentials are."""

_KEYS: Final = (
    "aws_access_key_id", "credential_process", "role_arn", "sso_session", "sso_start_url",
    "login_session",
)  # fmt: skip
"""Settings of a profile that lead to credentials."""


def usual_region() -> str:
    """Return the region that the environment or the AWS configuration names; "" for none."""
    named = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return named or _config().get("region", "")


def has_credentials() -> bool:
    """Return whether AWS may be asked with credentials of this computer, as far as files say it."""
    if any(os.environ.get(name) for name in _VARIABLES):
        return True
    profiles = (_config(), _section(_path("AWS_SHARED_CREDENTIALS_FILE", "credentials"), ""))
    return any(key in profile for profile in profiles for key in _KEYS)


def _config() -> dict[str, str]:
    return _section(_path("AWS_CONFIG_FILE", "config"), "profile ")


def _path(variable: str, name: str) -> Path:
    return Path(os.environ.get(variable) or f"~/.aws/{name}").expanduser()


def _section(path: Path, prefix: str) -> dict[str, str]:
    """Return the settings of the profile in use; {} where the file cannot be read."""
    profile = os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE") or "default"
    parser = ConfigParser(interpolation=None, strict=False)
    try:
        parser.read(path, encoding="utf-8")
    except (OSError, ConfigError, UnicodeDecodeError):
        return {}
    name = profile if profile == "default" else f"{prefix}{profile}"
    return dict(parser[name]) if parser.has_section(name) else {}

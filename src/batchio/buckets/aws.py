"""Credentials for S3 as the tools of AWS find them: profiles, SSO, roles. Needs botocore.

obstore reads the environment, and no file of these tools; it asks here again whenever what it
was given is about to expire. Where the environment holds keys, or botocore is not installed,
nothing of this is used.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from batchio.errors import NotAuthorised

if TYPE_CHECKING:
    from collections.abc import Mapping

NONE_FOUND: Final = "the tools of AWS find no credentials: "
"""How the error of a credential begins that cannot be had, among what obstore says."""

HINT: Final = "aws sso login, or AWS_PROFILE=NAME"


class Credentials:
    """What botocore found; calling it gives what is good now, renewed when that is needed.

    Raises:
        NotAuthorised: there is no such profile, or it gives none; says so in botocore's words.
    """

    def __init__(self, where: str) -> None:
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
        )
        from botocore.session import Session

        self._trouble = (BotoCoreError, ClientError)
        self.expires: datetime | None = None
        """When those that were given last end; None: not known, or never."""
        self.settings: dict[str, str] = {}
        """What the profile says beside them that a store needs, as obstore calls it."""
        try:
            session = Session()
            self._found = session.get_credentials()
            profile = session.get_scoped_config()
            if region := session.get_config_variable("region"):
                self.settings["region"] = region
            if endpoint := profile.get("endpoint_url"):
                self.settings["endpoint"] = endpoint
            if self._found is not None:
                self._now()
        except self._trouble as err:
            raise NotAuthorised(_line(err), where=where, hint=HINT) from None

    @property
    def found(self) -> bool:
        """Whether there are any."""
        return self._found is not None

    def __call__(self) -> dict[str, Any]:
        """Return what is good now, as obstore wants it."""
        try:
            return self._now()
        except self._trouble as err:
            raise RuntimeError(NONE_FOUND + _line(err)) from None

    def _now(self) -> dict[str, Any]:
        keys = self._found.get_frozen_credentials()
        # botocore says it nowhere else; those of files and the environment have none
        ends = getattr(self._found, "_expiry_time", None)
        self.expires = ends.astimezone(UTC) if isinstance(ends, datetime) else None
        return {
            "access_key_id": keys.access_key,
            "secret_access_key": keys.secret_key,
            "token": keys.token,
            "expires_at": self.expires,
        }


def reads_files() -> bool:
    """Return whether what the tools of AWS keep in files can be used here."""
    return find_spec("botocore") is not None


def credentials(where: str, environ: Mapping[str, str] = os.environ) -> Credentials | None:
    """Return where credentials come from; None: from where obstore itself looks.

    Args:
        where: The URL of the bucket, for messages.

    Raises:
        NotAuthorised: as `Credentials`.
    """
    if environ.get("AWS_ACCESS_KEY_ID") or not reads_files():
        return None
    made = Credentials(where)
    return made if made.found else None


def _line(err: Exception) -> str:
    return " ".join(str(err).split())

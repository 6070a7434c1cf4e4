"""Signed URLs of Azure for names that are no plain path of a URL.

A store of Azure checks a signature against the name that a URL stands for; obstore signs the
path as the URL writes it, with `%20` for a space, so the store refuses what it signed. Found
by trying obstore 0.12 with azurite; the two agree on plain names.

What is signed: learn.microsoft.com/rest/api/storageservices/create-service-sas, version
2020-12-06 and later.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

KEYS: Final = (
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_MASTER_KEY",
)
"""Variables in which obstore looks for the account's key, in its order."""


def signed_by_name(url: str, environ: Mapping[str, str]) -> str:
    """Return a URL that obstore signed, signed for the name of its object.

    It is returned as it is when its name is plain, or the account's key is not known.

    """
    secret = next((environ[name] for name in KEYS if environ.get(name)), None)
    parts = urlsplit(url)
    if secret is None or parts.path == unquote(parts.path):
        return url
    said = dict(parse_qsl(parts.query))
    account = environ.get("AZURE_STORAGE_ACCOUNT_NAME", parts.netloc.partition(".")[0])
    path = unquote(parts.path).removeprefix(f"/{account}")  # an emulator's begins with it
    fields = [said.get(name, "") for name in ("sp", "st", "se")]
    fields += [f"/blob/{account}{path}"]
    fields += [said.get(name, "") for name in ("si", "sip", "spr", "sv", "sr")]
    fields += [""] * 7  # no snapshot, no scope of encryption, no headers of the answer
    mac = hmac.new(base64.b64decode(secret), "\n".join(fields).encode(), hashlib.sha256)
    said["sig"] = base64.b64encode(mac.digest()).decode()
    return parts._replace(query=urlencode(said)).geturl()

"""The keys of a job's nodes, made from its seed: always the same, for any head of the job.

A node's host key reaches it by user data, and is the only one that is trusted; so the first
connection is as safe as every later one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
import textwrap
from typing import Final, NamedTuple

_KIND: Final = b"ssh-ed25519"


class KeyPair(NamedTuple):
    """An Ed25519 key pair as OpenSSH keeps it in files."""

    private: str
    public: str


class JobKeys(NamedTuple):
    """The keys of one job's nodes."""

    login: KeyPair
    host: KeyPair

    @staticmethod
    def of(seed: bytes) -> JobKeys:
        """Make the keys of a job from its seed, 32 random bytes."""
        return JobKeys(_pair(seed, b"login"), _pair(seed, b"host"))


def _pair(seed: bytes, use: bytes) -> KeyPair:
    """Return a key pair, in bytes that depend on the seed alone.

    OpenSSH's own writers put random numbers into the file; a request that carries such a file
    would not be the same when another head repeats it. Format: PROTOCOL.key of OpenSSH.
    """
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    secret = hmac.digest(seed, b"batchio " + use, hashlib.sha256)
    raw = Ed25519PrivateKey.from_private_bytes(secret).public_key()
    point = raw.public_bytes(form.Encoding.Raw, form.PublicFormat.Raw)
    public = _text(_KIND) + _text(point)
    check = hmac.digest(seed, b"check " + use, hashlib.sha256)[:4]
    inner = check * 2 + public + _text(secret + point) + _text(b"")
    inner += bytes(range(1, -len(inner) % 8 + 1))
    none = _text(b"none")
    blob = b"openssh-key-v1\0" + none * 2 + _text(b"") + struct.pack(">I", 1)
    blob += _text(public) + _text(inner)
    lines = textwrap.fill(base64.b64encode(blob).decode(), 70)
    private = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{lines}\n-----END OPENSSH PRIVATE KEY-----\n"
    return KeyPair(private, f"{_KIND.decode()} {base64.b64encode(public).decode()}")


def _text(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data

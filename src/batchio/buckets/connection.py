"""A bucket that is open, through obstore, and what its errors mean to whoever asked."""

from __future__ import annotations

import os
import re
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import quote, unquote

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import LocalStore, MemoryStore, from_url

from batchio.buckets.aws import HINT, NONE_FOUND, Credentials, credentials, reads_files
from batchio.buckets.azure import signed_by_name
from batchio.errors import BatchioError, NotAuthorised, ProviderDown, ProviderError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from urllib.parse import SplitResult

    from obstore import SignCapableStore

LONGEST_S: Final = 7 * 86400
"""Longest life of a signed URL in seconds: no store signs one for more than a week."""

_LOGIN: Final = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; files of the AWS CLI are not read: "
    'eval "$(aws configure export-credentials --format env)"',
    "gs": "gcloud auth application-default login, or GOOGLE_APPLICATION_CREDENTIALS=key.json",
    "az": "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
    "file": "the user that runs batchio needs permission to read and write there",
}
_METADATA: Final = ("169.254.169.254", "metadata.google.internal", "/metadata/identity")
"""Metadata servers, which an SDK asks for credentials when it was given none."""

_ACCOUNT: Final = r"Error performing (\w+ [^\s?]+)(?:\?\S*)?(?: in \S+)? - "
"""How obstore begins to say what went wrong: verb, URL with its query, time."""

_REFUSED: Final = re.compile(
    r"status code: 40[13]\b|<Code>(AccessDenied|ExpiredToken|InvalidToken|TokenRefreshRequired)</"
)
"""What obstore says of a refusal for which it has no error: of a listing, of an old token.

The codes: docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.
"""

_ELSEWHERE: Final = ("<Region>", "PermanentRedirect", "configured region")
"""What a store, or obstore, says of a bucket that is in another region than was asked."""

_REGION_HEADER: Final = "x-amz-bucket-region"
"""Header that names a bucket's region, also where it is another than was asked (HeadBucket)."""


class Connection:
    """One bucket, and the folder in it that keys are below.

    Args:
        parts: Of a URL that `buckets.check` has seen.
        patience: Seconds to go on asking when it is throttled or does not answer.
        limit: Longest time of one request, its bytes included, as obstore writes it: `30s`.
    """

    def __init__(self, parts: SplitResult, patience: float, limit: str) -> None:
        self.url = parts.geturl().rstrip("/")
        self.scheme = parts.scheme
        self._credentials: Credentials | None = None
        self.folder = Path(unquote(parts.path)) if parts.scheme == "file" else None
        with self.translating():
            self.store = self._connected(patience, limit)

    def _connected(self, patience: float, limit: str) -> Any:
        if self.folder is not None:
            return LocalStore(self.folder, mkdir=True)
        if self.scheme == "memory":
            return MemoryStore()
        given: dict[str, Any] = {}
        if self.scheme == "s3" and (found := credentials(self.url)):
            self._credentials = found
            given = {"credential_provider": found, **found.settings}
        return from_url(
            self.url,
            # http only where the endpoint that the environment names says so
            client_options={"allow_http": True, "timeout": limit},
            retry_config={"retry_timeout": timedelta(seconds=patience)},
            **given,
        )

    @contextmanager
    def translating(self, what: str = "") -> Iterator[None]:
        """Turn what obstore raises into our errors, which say what to do about it.

        Args:
            what: What was asked for, as people call it.

        Raises:
            NotAuthorised, UsageError, ProviderDown, ProviderError: by their remedy.
        """
        try:
            yield
        except BatchioError:  # some are also errors of Python
            raise
        except FileNotFoundError as err:
            raise self._missing(err, what) from None
        except (PermissionDeniedError, UnauthenticatedError, PermissionError) as err:
            raise self.refused(str(err)) from None
        except OSError as err:  # a file where the folder should be, a disk that is full
            raise ProviderError(err.strerror or _brief(str(err)), where=self.url) from None
        except (BaseError, ValueError) as err:
            if no_bucket(err):
                raise self._missing(err, what) from None
            raise self.error_of(str(err)) from None

    def error_of(self, text: str) -> BatchioError:
        """Return the error for what a store, or obstore, says of a request that failed."""
        if NONE_FOUND in text:
            return self.refused(text)
        if any(place in text for place in _METADATA):
            return NotAuthorised("no credentials", where=self.url, hint=login(self.scheme))
        if "builder error" in text:  # reqwest finds no roots, which it wants for http, too
            said, install = "no certificates of authorities are installed", "ca-certificates"
            return UsageError(said, where=self.url, hint=f"apt-get install {install}")
        if "must be specified" in text:
            return UsageError(f"{self.url}: {_brief(text)}", hint=login(self.scheme))
        if any(sign in text for sign in _ELSEWHERE):
            return self._elsewhere(text)
        if _REFUSED.search(text):
            return self.refused(text)
        return ProviderDown(_brief(text), where=self.url)

    def refused(self, text: str) -> NotAuthorised:
        """Return the error for credentials that a store refuses, or for a clock that is off.

        S3 refuses what was signed more than 15 minutes from its own time, and says that:
        docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, RequestTimeTooSkewed.
        """
        if NONE_FOUND in text:
            said = text.partition(NONE_FOUND)[2].splitlines()[0]
            return NotAuthorised(said, where=self.url, hint=HINT)
        if "RequestTimeTooSkewed" in text:
            theirs = re.search(r"<ServerTime>([^<]{1,40})</ServerTime>", text)
            there = f": for the store it is {theirs[1]}" if theirs else ""
            said, hint = f"this computer's clock is wrong{there}", "timedatectl set-ntp true"
            return NotAuthorised(said, where=self.url, hint=hint)
        return NotAuthorised(_brief(text), where=self.url, hint=login(self.scheme))

    def _elsewhere(self, text: str) -> UsageError:
        """Return the error for a bucket of another region than was asked, which it names."""
        found = re.search(r"<Region>([a-z0-9-]{1,40})</Region>", text)
        region = found[1] if found else ""
        if not region:
            url = obstore.sign(self.store, "GET", "region", timedelta(seconds=60))
            try:
                urllib.request.urlopen(url, timeout=20).close()  # noqa: S310  the store's
            except urllib.error.HTTPError as err:
                with err:
                    region = err.headers.get(_REGION_HEADER, "")
            except OSError:
                pass
        return UsageError(
            f"{self.url}: the bucket is in another region{region and ', '}{region}",
            hint=f"AWS_REGION={region or 'REGION'}",
        )

    def _missing(self, err: Exception, what: str) -> UsageError | ProviderError:
        """Return the error for an object, or a whole bucket, that is not there."""
        if no_bucket(err):
            return UsageError(f"{self.url}: there is no such bucket", hint="create it")
        return ProviderError(f"there is no {what}", where=self.url)

    @property
    def signs_writes(self) -> bool:
        """Whether there are URLs that allow to write without credentials."""
        return self.scheme not in ("file", "memory")

    def life(self, seconds: float) -> timedelta:
        """Return how long a URL may be good that is wanted for so many seconds.

        It is not longer than the credentials are, where that is known: in the environment
        `aws configure export-credentials --format env` sets AWS_CREDENTIAL_EXPIRATION.

        Raises:
            NotAuthorised: the credentials have expired.
        """
        said = os.environ.get("AWS_CREDENTIAL_EXPIRATION", "") if self.scheme == "s3" else ""
        if self._credentials is not None:
            ends = self._credentials().get("expires_at")
            said = ends.isoformat() if ends else ""
        with suppress(ValueError, TypeError):
            left = (datetime.fromisoformat(said) - datetime.now(UTC)).total_seconds()
            if left <= 0:
                raise NotAuthorised(
                    f"the credentials expired at {said}", where=self.url, hint=login("s3")
                )
            seconds = min(seconds, left)
        return timedelta(seconds=seconds)

    def signing(self, key: str, seconds: float, method: str) -> SignCapableStore | str:
        """Return the store that signs a URL, or the URL itself where none is needed.

        For a folder that is the path of the file: everybody who can read the folder can read it.

        Raises:
            UsageError: this kind of bucket has no such URLs, or none for so long.
        """
        if self.folder is not None and method == "GET":
            return (self.folder / key).absolute().as_uri()
        if not self.signs_writes:
            raise UsageError(f"{self.url} has no URLs for {method}", hint="a bucket has")
        if not 0 < seconds <= LONGEST_S:
            raise UsageError(f"a URL cannot be signed for {seconds:g} s; a week is the most")
        return cast("SignCapableStore", self.store)


def login(scheme: str) -> str | None:
    """Return how a person gives credentials for a store of this scheme."""
    if scheme == "s3" and reads_files():
        return f"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; or {HINT}"
    return _LOGIN.get(scheme)


def key_to_sign(scheme: str, key: str) -> str:
    """Return a key as obstore's signer of this scheme takes it.

    That of GCS does not quote what is no letter of a URL's path, as its other verbs do: a key
    with `%`, `?` or `#` would be signed for another object. Found by trying obstore 0.12.
    """
    return quote(key, safe="/!$&'()*+,;=:@~") if scheme == "gs" else key


def signed(scheme: str, url: str) -> str:
    """Return the URL that obstore signed, as a store of this scheme accepts it."""
    return signed_by_name(url, os.environ) if scheme == "az" else url


def no_bucket(err: Exception) -> bool:
    """Return whether a store says that the bucket itself is missing, not the object."""
    return "NoSuchBucket" in str(err) or "ContainerNotFound" in str(err)


def _brief(text: str) -> str:
    """Return what a store says of an error, or the first line of obstore, without its retries."""
    code, message = (re.search(f"<{tag}>([^<]+)</{tag}>", text) for tag in ("Code", "Message"))
    if code:
        return f"{code[1]}: {message[1]}" if message else code[1]
    first = text.splitlines()[0] if text else "it says nothing"
    first = re.sub(r"^Generic \w+ error: |,? after \d+ retries.*?(?= - |$)", "", first)
    return re.sub(r"^(?:Error performing [a-z]+ request: )?" + _ACCOUNT, r"\1: ", first)

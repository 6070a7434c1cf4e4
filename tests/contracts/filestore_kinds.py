"""The kinds of file store that the suite runs on, and their servers. For filestore_suite.py.

Each is a context manager over a new, empty store; it may change the environment.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import subprocess
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING, Final

from tests.contracts.gcs import Gcs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AZURE_KEY: Final = (  # the one key of every azurite, from its documentation
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)


@dataclass
class Kind:
    """One kind of store: the URL of a new empty one, and of one that cannot be."""

    name: str
    url: str
    bucketless: str = ""


@contextmanager
def folder(path: Path) -> Iterator[Kind]:
    yield Kind("folder", (path / "a folder" / "ä").as_uri())


@contextmanager
def memory(_: Path) -> Iterator[Kind]:
    yield Kind("memory", "memory:///")


@contextmanager
def s3(_: Path) -> Iterator[Kind]:
    import boto3  # type: ignore[import-untyped]

    from tests.contracts.s3 import S3

    with S3() as url:
        os.environ |= {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        }
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="bucket")
        yield Kind("s3", "s3://bucket/some/folder", "s3://no-such-bucket/folder")


@contextmanager
def gcs(_: Path) -> Iterator[Kind]:
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import rsa

    pem = rsa.generate_private_key(65537, 2048).private_bytes(
        form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()
    )
    with Gcs() as url:
        account = {
            "type": "service_account",
            "gcs_base_url": url,
            "client_email": "tester@example.com",
            "client_id": "1",
            "private_key": pem.decode(),
            "private_key_id": "1",
        }
        os.environ["GOOGLE_SERVICE_ACCOUNT_KEY"] = json.dumps(account)
        yield Kind("gcs", "gs://bucket/some/folder", "gs://no-such-bucket/folder")


@contextmanager
def azure(path: Path) -> Iterator[Kind]:
    port = "10011"
    options = ["--silent", "--skipApiVersionCheck", "--inMemoryPersistence", "--disableTelemetry"]
    server = subprocess.Popen(
        ["azurite-blob", "--blobHost", "127.0.0.1", "--blobPort", port, *options], cwd=path
    )
    endpoint = f"http://127.0.0.1:{port}/devstoreaccount1"
    os.environ |= {
        "AZURE_STORAGE_ACCOUNT_NAME": "devstoreaccount1",
        "AZURE_STORAGE_ACCOUNT_KEY": AZURE_KEY,
        "AZURE_STORAGE_ENDPOINT": endpoint,
    }
    try:
        azure_container(endpoint)
        yield Kind("azure", "az://bucket/some/folder", "az://no-such-bucket/folder")
    finally:
        server.terminate()
        server.wait()


def azure_container(endpoint: str) -> None:
    """Make the container `bucket` once the server answers.

    The signature: learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key.
    """
    now = formatdate(usegmt=True)
    signed = f"PUT{chr(10) * 12}x-ms-date:{now}\nx-ms-version:2021-08-06\n"
    signed += "/devstoreaccount1/devstoreaccount1/bucket\nrestype:container"
    mac = hmac.new(base64.b64decode(AZURE_KEY), signed.encode(), hashlib.sha256).digest()
    headers = {
        "x-ms-date": now,
        "x-ms-version": "2021-08-06",
        "Authorization": f"SharedKey devstoreaccount1:{base64.b64encode(mac).decode()}",
        "Content-Length": "0",
    }
    url = f"{endpoint}/bucket?restype=container"
    for left in range(100, -1, -1):
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="PUT", headers=headers))
        except (ConnectionError, urllib.error.URLError):
            if not left:
                raise
            threading.Event().wait(0.1)
        else:
            return


KINDS: Final = (folder, memory, s3, gcs, azure)

"""A job that names a file store: what is understood, ignored and refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from batchio.core.spec import JobSpec

if TYPE_CHECKING:
    from tests.submit.conftest import Caller

HINT = "these are: file:///shared/folder, s3://bucket/folder, gs://bucket/folder, az://container/folder"


@pytest.mark.parametrize(
    "url", ["s3://bucket", "s3://bucket/a/b", "gs://b/c", "az://c/d", "file:///shared/a%20b"]
)
def test_the_url_of_a_store_is_remembered(caller: Caller, url: str) -> None:
    spec = caller.typed("true", hosts="gpu1", input_filestore=url).spec
    assert spec.input_filestore == url
    assert JobSpec.from_json(spec.to_json()) == spec


def test_a_job_from_before_there_were_stores_has_none(caller: Caller) -> None:
    data = caller.typed("true", hosts="gpu1").spec.to_json()
    del data["input_filestore"]
    assert JobSpec.from_json(data).input_filestore is None


def test_on_this_computer_it_is_ignored_aloud(caller: Caller) -> None:
    prepared = caller.typed("true", input_filestore="s3://bucket")
    assert prepared.spec.input_filestore is None
    assert "the files are already on this computer" in prepared.warnings[0]


def test_a_filestore_of_coiled_is_ignored_aloud(caller: Caller) -> None:
    caller.file("hello.sh", "#!/bin/sh\n# COILED input-filestore mine\n", 0o755)
    prepared = caller.typed("hello.sh", hosts="gpu1")
    assert prepared.spec.input_filestore is None
    told = "--input-filestore mine (hello.sh:2): ignored, it is a filestore of Coiled's"
    assert told in prepared.warnings


@pytest.mark.parametrize(
    ("url", "told", "hint"),
    [
        ("mine", '"mine" is not the URL of a file store', HINT),
        ("/shared", '"/shared" is not the URL of a file store', HINT),
        ("ftp://me:pw@host/x", '"ftp://host/x" is not the URL of a file store', HINT),
        ("s3:///folder", "s3:///folder names no bucket", "write s3://bucket/folder"),
        (
            "file://shared/folder",
            "file://shared/folder names a host, or no folder",
            "write file:///shared/folder",
        ),
        ("file:///", "file:/// names a host, or no folder", "write file:///shared/folder"),
        (
            "s3://key:secret@bucket/x",
            "s3://bucket/x must not contain credentials or settings, because it is stored in the "
            "journal",
            "batchio reads credentials from the environment, as other tools do",
        ),
    ],
)
def test_what_is_no_store_is_refused_before_anything_starts(
    caller: Caller, url: str, told: str, hint: str
) -> None:
    said = caller.refused("true", hosts="gpu1", input_filestore=url)
    assert said == (f"--input-filestore: {told}", hint)

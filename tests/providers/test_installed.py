"""What a provider needs and is not there is said before there is a job."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

import batchio.sync as batchio
from batchio import providers
from batchio.errors import UsageError
from batchio.extras import how_to_install

if TYPE_CHECKING:
    from pathlib import Path


def test_a_job_for_aws_without_its_library_is_refused_and_none_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("aioboto3", "aiobotocore"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(providers, "find_spec", lambda name: sys.modules.get(name))

    with pytest.raises(UsageError, match="aioboto3, which is not installed") as refused:
        batchio.run("true", provider="aws", workspace=str(tmp_path))

    assert refused.value.hint == how_to_install("aws")
    assert batchio.list_jobs(workspace=str(tmp_path)) == []

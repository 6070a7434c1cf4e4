"""What every journal must do, in buckets of all kinds. Run by test_bucket.py, sealed only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from batchio.buckets import check, open_bucket
from batchio.stores.bucket_journal import BucketJournal, create_journal
from batchio.stores.bucket_reader import BucketReader
from tests.contracts import sealed, test_journal
from tests.contracts.filestore_kinds import azure, gcs, s3
from tests.contracts.test_journal import FIRST, JOB, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

sealed.enter()  # before anything loads obstore or moto

globals().update(  # the same tests, with the kinds of this module
    {
        name: test
        for name, test in vars(test_journal).items()
        if name.startswith("test_") and "without_an_answer" not in name
    }
)

TAKING = """
from batchio.buckets import check, open_bucket
from batchio.stores.bucket_journal import BucketJournal
journal = BucketJournal(open_bucket(check({url!r}), patience=5.0), {job!r})
"""


@pytest.fixture(scope="module", params=[s3, gcs, azure], ids=lambda f: f.__name__)
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    make: Callable[[Path], Any] = request.param
    with make(tmp_path_factory.mktemp("store")) as made:
        yield made.url


@pytest.fixture
def kind(url: str, tmp_path: Path) -> Kind:
    url = f"{url}/{tmp_path.name}"
    bucket = open_bucket(check(url), patience=5.0)
    create_journal(bucket, JOB, [FIRST])
    return Kind(
        take=lambda: BucketJournal(bucket, JOB),
        reader=lambda: BucketReader(bucket, JOB),
        taking=TAKING.format(url=url, job=JOB),
    )


@pytest.fixture
def lasting(kind: Kind) -> Kind:
    return kind

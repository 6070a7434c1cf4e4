"""What every workspace must do, in buckets of all kinds. Run by test_bucket.py, sealed only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from batchio.stores.bucket import BucketWorkspace
from tests.contracts import sealed, test_job_store, test_parts, test_removing, test_workspace
from tests.contracts.filestore_kinds import azure, gcs, s3

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from batchio.stores.bucket_outputs import BucketOutputs

sealed.enter()  # before anything loads obstore or moto

for module in (
    test_job_store,
    test_parts,
    test_removing,
    test_workspace,
):  # the same tests, in buckets
    for name, thing in vars(module).items():
        if name.startswith("test_") or name in ("store", "missing", "three", "direct"):
            globals()[name] = thing


@pytest.fixture(scope="module", params=[s3, gcs, azure], ids=lambda f: f.__name__)
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    make: Callable[[Path], Any] = request.param
    with make(tmp_path_factory.mktemp("store")) as made:
        yield made.url


@pytest.fixture
def workspace(url: str, tmp_path: Path) -> BucketWorkspace:
    return BucketWorkspace(f"{url}/{tmp_path.name}", tmp_path / "workspace")


@pytest.fixture
def parts(workspace: BucketWorkspace) -> BucketOutputs:
    return workspace.job(test_parts.JOB).parts()


def test_another_computer_sees_the_job_and_all_that_was_submitted(url: str, tmp_path: Path) -> None:
    here, there = (BucketWorkspace(url, tmp_path / name) for name in ("here", "there"))
    with here.draft(0.0) as draft:
        draft.put_inputs([b"a", b"b"], "a list")
        draft.bundle().write_bytes(b"tar" * 4_000_000)
        draft.show("card", {"state": "pending"})
        draft.commit(['["first"]'], name="ä name/with ~ all")

    store = there.job(draft.id)
    assert draft.id in there.jobs()
    assert dict(there.names())[draft.id] == store.name() == "ä name/with ~ all"
    assert dict(there.cards())[draft.id] == store.shown("card") == {"state": "pending"}
    assert [body for _, body in store.reader().read()] == ['["first"]']
    assert [store.inputs().raw(n) for n in range(2)] == [b"a", b"b"]
    assert store.bundle().read_bytes() == b"tar" * 4_000_000
    here.job(draft.id).ask({"kind": "cancel"})
    assert [request for _, request in store.asked()] == [{"kind": "cancel"}]
    there.remove(draft.id)
    assert here.jobs() == there.jobs() == []

"""Files by way of a bucket that refuses, or goes away: they arrive all the same, and it is said."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

import batchio
from tests.e2e.conftest import MakeHosts, names
from tests.e2e.watching import COUNT_UNTIL_GO, go, notes, nothing_left, printed, seen
from tests.testbed.client import Lab

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("workspace")]

HERE = "10.77.0.1"
"""This computer, as the lab's hosts see it."""


class Bucket(BaseHTTPRequestHandler):
    """As much of S3 as one upload and signed downloads need. It trusts everybody."""

    protocol_version = "HTTP/1.1"
    kept: dict[str, bytes]
    fetched: list[str]
    """Addresses of those who fetched by signed URLs; `stored`: who stored by such."""
    stored: list[str]
    refusal = b""
    """What a signed request is answered with, instead of the bytes."""

    def do_PUT(self) -> None:
        address = urlsplit(self.path)
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if "X-Amz-Signature" in parse_qs(address.query):
            if self.refusal:
                return self._answer(403, self.refusal)
            self.stored.append(self.client_address[0])
        self.kept[address.path] = data
        return self._answer(200)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if "X-Amz-Signature" in parse_qs(address.query):
            if self.refusal:
                return self._answer(403, self.refusal)
            self.fetched.append(self.client_address[0])
        found = self.kept.get(address.path)
        return self._answer(404) if found is None else self._answer(200, found)

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", "Mon, 24 Nov 2025 10:00:00 GMT")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Not on the terminal."""


@contextmanager
def bucket(
    monkeypatch: pytest.MonkeyPatch, refusal: bytes = b"", at: str = HERE
) -> Iterator[type[Bucket]]:
    """One that this computer's environment names; in the lab's network, where tests run."""
    own = type("Own", (Bucket,), {"kept": {}, "fetched": [], "stored": [], "refusal": refusal})
    with ThreadingHTTPServer((at, 0), own) as server:
        for name, value in {
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://{at}:{server.server_port}",
        }.items():
            monkeypatch.setenv(name, value)
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield own
        finally:
            server.shutdown()
            serving.join()


@pytest.fixture
def data(tmp_path: Path) -> str:
    """A file to upload."""
    (tmp_path / "data").write_text("here\n")
    return str(tmp_path / "data")


async def test_hosts_fetch_what_was_stored_once(
    hosts: MakeHosts, lab: Lab, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines = hosts(2)
    with bucket(monkeypatch) as store:
        job = await batchio.run(
            ["cat", "data"], ntasks=2, slots=1, hosts=names(machines), upload=data,
            input_filestore="s3://ours/jobs", wait_for_ready_cluster=True,
        )  # fmt: skip
        await job.wait(timeout=60, check=True)

    assert await printed(job) == ["0 here", "1 here"]
    assert sorted(store.fetched) == sorted(vm.ip for vm in machines)
    assert len(store.kept) == 1
    assert "instead" not in await notes(job)


async def test_where_a_signed_url_is_refused_the_files_go_over_the_connection(
    hosts: MakeHosts, lab: Lab, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    [vm] = hosts()
    expired = b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
    with bucket(monkeypatch, refusal=expired):
        job = await batchio.run(
            ["cat", "data"], hosts=[vm.name], upload=data, input_filestore="s3://ours/jobs"
        )
        await job.wait(timeout=60, check=True)

    assert await printed(job) == ["0 here"]
    said = await notes(job)
    why = "the files could not be fetched: HTTP Error 403: Forbidden: Request has expired"
    assert said == f"{vm.name}: {why}; they are sent over the connection instead"
    assert nothing_left(lab, vm)


async def test_what_is_removed_from_a_store_between_two_hosts_is_done_without(
    hosts: MakeHosts, lab: Lab, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    [first, second] = hosts(2)
    second.link(up=False)
    with bucket(monkeypatch) as store:
        job = await batchio.run(
            ["sh", "-c", f"cat data; {COUNT_UNTIL_GO}"], ntasks=2, slots=1, upload=data,
            hosts=names([first, second]), input_filestore="s3://ours/jobs",
        )  # fmt: skip
        await seen(job, "tasks_started")
        store.kept.clear()
        second.link(up=True)
        await seen(job, "tasks_started", where=lambda fact: fact["node_number"] > 0)
    for vm in (first, second):
        await go(vm)
    result = await job.wait(timeout=60)

    assert result.outcome == "succeeded"
    assert {row.node for row in result.tasks} == {first.name, second.name}
    assert [line for line in await printed(job) if "here" in line] == ["0 here", "1 here"]
    assert "the files could not be fetched" in await notes(job)
    assert nothing_left(lab, first, second)


async def test_a_folder_that_is_none_is_named_and_done_without(
    hosts: MakeHosts, lab: Lab, data: str
) -> None:
    [vm] = hosts()
    job = await batchio.run(
        ["cat", "data"], hosts=[vm.name], upload=data, input_filestore=f"file://{data}/below"
    )
    await job.wait(timeout=60, check=True)

    assert await printed(job) == ["0 here"]
    assert "files are sent over the connections instead: file://" in await notes(job)
    assert "Not a directory" in await notes(job)


# --- outputs -----------------------------------------------------------------

EXPIRED = b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
LEAVE = "echo $BATCHIO_TASK_ID > a; mkdir b; head -c 3000000 /dev/zero > b/zeros"


async def test_hosts_store_what_tasks_leave_themselves(
    hosts: MakeHosts, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines = hosts(2)
    with bucket(monkeypatch) as store:
        job = await batchio.run(
            LEAVE, shell=True, ntasks=2, slots=1, hosts=names(machines),
            output_filestore="s3://ours/out", wait_for_ready_cluster=True,
        )  # fmt: skip
        await job.wait(timeout=60, check=True)

    assert store.kept == {
        f"/ours/out/{job.id}/{task}/{path}": data
        for task in range(2)
        for path, data in {"a": b"%d\n" % task, "b/zeros": bytes(3_000_000)}.items()
    }
    assert sorted(store.stored) == sorted([vm.ip for vm in machines] * 2)
    assert await notes(job) == ""
    assert nothing_left(lab, *machines)


@pytest.mark.filterwarnings("ignore::batchio.BatchioWarning")
@pytest.mark.parametrize(
    ("at", "refusal", "why"),
    [
        (HERE, EXPIRED, "HTTP Error 403: Forbidden: Request has expired"),
        ("127.0.0.1", b"", "[Errno 111] Connection refused"),
    ],
    ids=["refused", "out of reach"],
)
async def test_what_a_host_cannot_store_comes_through_the_head(
    hosts: MakeHosts, lab: Lab, monkeypatch: pytest.MonkeyPatch, at: str, refusal: bytes, why: str
) -> None:
    [vm] = hosts()
    with bucket(monkeypatch, refusal, at) as store:
        job = await batchio.run(
            "echo 1 > a", shell=True, hosts=[vm.name], output_filestore="s3://ours/out"
        )
        await job.wait(timeout=60, check=True)

    assert store.kept == {f"/ours/out/{job.id}/0/a": b"1\n"}
    assert store.stored == []
    assert await notes(job) == f"{vm.name}: outputs come through the head instead: {why}"
    assert nothing_left(lab, vm)

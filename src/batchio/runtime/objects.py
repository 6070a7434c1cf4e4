"""Outputs that go to a store as plain objects: `<job>/<task>/<path>`, as --output-filestore says.

A node puts them there itself, each behind a signed URL. Where that cannot be, they come here,
are unpacked aside, and are sent from here.
"""

from __future__ import annotations

import asyncio
import os
import stat
from typing import IO, TYPE_CHECKING, Final

from batchio.core.sizes import format_bytes
from batchio.errors import BatchioError, ProviderDown
from batchio.runtime.outputs import too_much
from batchio.runtime.placing import Unsaved
from batchio.runtime.upload import Unstorable, Wanted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from batchio.ports import ObjectStore
    from batchio.runtime.landing import Landing, Unpacking
    from batchio.runtime.tree import Tree
    from batchio.runtime.upload import Upload

SIGNED_S: Final = 3600.0
"""Seconds in which a node may use a signed URL."""

LARGEST: Final = 5 << 30
"""Most bytes of one request: docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html."""

LONGEST_KEY: Final = 1024
"""Bytes of a key in S3 and GCS, and characters in Azure."""

FILES_AT_ONCE: Final = 64
BYTES_AT_ONCE: Final = 1 << 30
"""Most files, and bytes, for which a node has signed URLs at a time."""

CHUNK: Final = 1 << 20


class ObjectsOutputs:
    """The outputs of a job in a store; a `Destination`, see `outputs.py`.

    Args:
        scratch: The folder of this computer for outputs that come through here.
    """

    def __init__(self, store: ObjectStore, job: str, scratch: Landing) -> None:
        self.limit = scratch.limit
        self.direct = store.signs_writes
        self._store = store
        self._job = job
        self._scratch = scratch
        self._said = False
        """Whether a sentence said that links and empty folders are not stored."""

    @property
    def where(self) -> str:
        """How people call the place."""
        return f"{self._store.url}/{self._job}"

    def arrival(self, task: int, attempt: int) -> ThroughHere:
        """Begin to keep the outputs of an attempt that come here."""
        return ThroughHere(self, self._scratch.arrival(task, attempt), task)

    async def look(self, size: int) -> None:
        """Check that `size` bytes could be kept here now. Raises Unsaved: not yet."""
        await self._scratch.look(size)

    async def tidy(self) -> None:
        """Return: each file of an attempt replaces that of the attempt before."""

    def sweep(self) -> None:
        """Remove what a killed head left unfinished here."""
        self._scratch.sweep()

    async def store(self, upload: Upload, task: int, attempt: int) -> list[str]:
        """Have the node itself put the files of an attempt into the store. See `Destination`."""
        listed = await upload.outputs()
        files = [
            (path, size)
            for path, size in listed
            if size is not None and not unfit(self.key(task, path))
        ]
        total = sum(size for _, size in files)
        if self.limit is not None and total > self.limit:
            raise too_much(self.limit)
        for path, size in files:
            if size > LARGEST:
                too_large = f"{path} of task {task} has {format_bytes(size)}, too many for one URL"
                raise Unstorable(too_large)
        for batch in batches(files):
            await upload.store(
                [Wanted(path, 0, size, await self._signed(task, path)) for path, size in batch]
            )
        return self.lacking(task, ((path, size is not None) for path, size in listed))

    def lacking(self, task: int, outputs: Iterable[tuple[str, bool]]) -> list[str]:
        """Return a sentence about each output that cannot be an object; of links only the first.

        Args:
            outputs: The path of each output, and whether it is a file.
        """
        said = []
        for path, is_file in outputs:
            if is_file and (why := unfit(self.key(task, path))):
                said.append(f"{path!a} of task {task} is not stored: {why}")
            elif not is_file and not self._said:
                self._said = True
                first = f"such as {path!a} of task {task}"
                said.append(f"links and empty folders are not stored, {first}: a store has files")
        return said

    def key(self, task: int, path: str) -> str:
        """Return the key of a file, below the store's URL."""
        return f"{self._job}/{task}/{path}"

    async def _signed(self, task: int, path: str) -> str:
        try:
            return await self._store.sign(self.key(task, path), SIGNED_S, "PUT")
        except ProviderDown as err:
            raise Unsaved(str(err)) from err
        except BatchioError as err:
            raise Unstorable(str(err), lasting=True) from err

    async def send(self, task: int, path: str, fd: int) -> None:
        """Put an open file of this computer into the store, and close it. Raises Unsaved."""
        with os.fdopen(fd, "rb") as file:
            size = os.fstat(fd).st_size
            try:
                await self._store.send(self.key(task, path), _chunks(file), size)
            except (BatchioError, OSError) as err:
                raise Unsaved(str(err)) from err


class ThroughHere:
    """The outputs of one attempt that come through this computer; an `Arrival`."""

    def __init__(self, outputs: ObjectsOutputs, unpacking: Unpacking, task: int) -> None:
        self._outputs = outputs
        self._unpacking = unpacking
        self._task = task
        self.add = unpacking.add
        self.clear = unpacking.clear
        self.stop = unpacking.stop

    async def finish(self, newer_than: float) -> list[str]:
        """Send all that has arrived to the store. See `Arrival`."""
        await self._unpacking.unpacked()
        with self._unpacking.files() as part:
            found = list(_outputs_below(part))
            for path, is_file in found:
                if is_file and not unfit(self._outputs.key(self._task, path)):
                    above, _, name = path.rpartition("/")
                    names = tuple(above.split("/")) if above else ()
                    fd = await asyncio.to_thread(part.read_file, names, name)
                    await self._outputs.send(self._task, path, fd)
        return self._outputs.lacking(self._task, found)


def unfit(key: str) -> str:
    """Return why no store takes a key, or ""."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    if size > LONGEST_KEY:
        return "its name is too long for a store"
    return "" if key.isprintable() else "its name has signs that no store takes"


def batches(files: list[tuple[str, int]]) -> Iterator[list[tuple[str, int]]]:
    """Yield files, with their bytes, in groups of which none has too many or too large ones."""
    batch: list[tuple[str, int]] = []
    total = 0
    for path, size in files:
        if batch and (len(batch) == FILES_AT_ONCE or total + size > BYTES_AT_ONCE):
            yield batch
            batch, total = [], 0
        batch.append((path, size))
        total += size
    if batch:
        yield batch


def _outputs_below(part: Tree) -> Iterator[tuple[str, bool]]:
    """Yield the path of each file, link and empty folder, and whether it is a file."""
    full = {above for above, _, _ in part.walk()}
    for above, name, status in part.walk():
        if not stat.S_ISDIR(status.st_mode) or (*above, name) not in full:
            yield "/".join((*above, name)), stat.S_ISREG(status.st_mode)


async def _chunks(file: IO[bytes]) -> AsyncIterator[bytes]:
    while chunk := await asyncio.to_thread(file.read, CHUNK):
        yield chunk

"""The files that shall travel with a job, found and checked.

Files that the command names travel by the rule of `options.command`, what those need by that of
`implied`; --upload, --sync and buffers add to them. A path inside the current folder arrives at
the same relative path, one outside under its base name; of a folder that was typed with a /
behind it, only what is in it. So it is with what is written for Coiled, and with --sync.
"""

from __future__ import annotations

import io
import os
import posixpath
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from batchio.errors import UsageError
from batchio.options.command import READABLE
from batchio.submit.bundle import Bundle, Item
from batchio.submit.caller import blamed
from batchio.submit.earlier import brought
from batchio.submit.implied import add_implied
from batchio.submit.walk import Walk, check_readable

if TYPE_CHECKING:
    from batchio.options.resolve import Effective
    from batchio.options.to_spec import ResolvedJob
    from batchio.ports import Workspace
    from batchio.submit.caller import CallerContext

COILED_KEYWORD: Final = "argument local_upload_path"
"""Origin of uploads that a Python call names as one for Coiled does."""


def bundle_for(resolved: ResolvedJob, here: CallerContext, workspace: Workspace) -> Bundle:
    """Return the bundle of every file that shall travel.

    Args:
        workspace: Never travels from within another folder, if it is one, as the folder of
            --download does not, which holds what came back the last time; and of the folder of
            --sync what came back does not.

    Raises:
        UsageError: a file is missing or cannot be read, two would arrive at one path.
    """
    command, effective = resolved.command, resolved.effective
    bundle = Bundle()
    for file in command.files:
        if file.source is None:
            text = (command.text or "").encode("utf-8", "surrogateescape")
            bundle.add(file.path, Item(text, len(text), file.mode, "the script"))
            continue
        source = here.path(file.source)
        check_readable(source, file.source)
        bundle.add(file.path, Item(source, file.size, file.mode, file.source))
    avoided = {os.path.abspath(workspace.local)} if workspace.local else set()
    download = effective.value("download")
    walk = Walk(bundle, here, avoided, here.path(download) if download else "")
    for typed, origin in effective.items("upload"):
        coiled = origin == COILED_KEYWORD or origin in resolved.coiled
        with _blaming(effective, "upload"):
            walk.upload(typed, bare=coiled or typed.endswith("/"))
    if typed := effective.value("sync"):
        walk.brought = brought(effective, "sync", here, workspace)
        with _blaming(effective, "sync"):
            walk.upload(f"{typed.rstrip('/')}/", bare=True)
    for number, given in enumerate(effective.value("buffers-to-upload") or (), 1):
        arrival, data = _buffer(given, f"buffers_to_upload: item {number}")
        bundle.add(arrival, Item(data, len(data), READABLE, f'the buffer "{arrival}"'))
    if effective.value("implicit-upload"):
        add_implied(bundle, command, here)
    bundle.check()
    return bundle


@contextmanager
def _blaming(effective: Effective, name: str) -> Iterator[None]:
    try:
        yield
    except UsageError as err:
        raise blamed(effective, name, err) from None


def _buffer(given: Any, where: str) -> tuple[str, bytes]:
    """Return the path and the content of one item of buffers_to_upload."""
    shape = 'write {"relative_path": "hello.txt", "buffer": io.BytesIO(b"hello")}'
    if not isinstance(given, Mapping) or not {"relative_path", "buffer"} <= given.keys():
        raise UsageError("not a dictionary with relative_path and buffer", where=where, hint=shape)
    path, data = str(given["relative_path"]), given["buffer"]
    arrival = posixpath.normpath(path)
    if arrival.split("/")[0] in ("", ".", ".."):
        raise UsageError(
            f'"{path}" is not a path below the working directory', where=where, hint=shape
        )
    if isinstance(data, io.BytesIO):
        data = data.getvalue()  # all of it, wherever it was last read to
    elif hasattr(data, "read"):
        data = data.read()
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise UsageError(f"{type(data).__name__} is not bytes", where=where, hint=shape)
    return arrival, bytes(data)

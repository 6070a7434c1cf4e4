"""Pieces: received, checked, and unpacked once."""

from __future__ import annotations

import fcntl
import hashlib
import os
import struct
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from batchio.installer.basics import (
    TIME,
    Refused,
    Stream,
    keep,
    locked,
    parts,
    put,
    remove,
    whole,
)


def receive(stream: Stream, store: str, sent: list[list[Any]]) -> None:
    """Keep the pieces that are sent; a zip is unpacked while the next one comes."""
    with ThreadPoolExecutor(2) as pool:
        works = []
        for digest, size, kind in sent:
            path = store + "/pieces/" + "/".join(parts(digest))
            if whole(path):  # another job was faster
                for _ in stream.chunks(size):
                    pass
                continue
            part = "%s.part-%d" % (path, os.getpid())
            seen = hashlib.sha256()
            with open(part, "wb") as file:
                for chunk in stream.chunks(size):
                    seen.update(chunk)
                    file.write(chunk)
            if seen.hexdigest() != digest:
                os.unlink(part)
                raise Refused("what came as %s is something else" % digest[:12])
            works.append(pool.submit(unpack, part, path, kind))
        for work in works:
            work.result()


def unpack(part: str, path: str, kind: str) -> None:
    """Make a piece of the bytes that came: a file, or a folder of what is in the zip."""
    if kind == "file":
        os.chmod(part, 0o644)
        os.utime(part, (TIME, TIME))
        settle(part, path, [["", os.path.getsize(part)]])
        return
    folder = part + ".d"
    made, files = {""}, []
    os.mkdir(folder)
    with zipfile.ZipFile(part) as packed, open(part, "rb") as raw:
        for entry in packed.infolist():
            name = os.fsdecode(entry.comment) if entry.comment else entry.filename
            if name.endswith("/"):
                continue
            names = parts(name)
            above = "/".join(names[:-1])
            if above not in made:
                os.makedirs(folder + "/" + above, exist_ok=True)
                made.add(above)
            content = stored(raw, entry) or packed.read(entry)
            mode = 0o755 if entry.external_attr >> 16 & 0o111 else 0o644
            put(folder + "/" + name, content, mode)
            files.append(["/" + name, len(content)])
    os.unlink(part)
    settle(folder, path, files)


def settle(part: str, path: str, files: list[list[Any]]) -> None:
    """Give a piece its name, unless another job was faster, who may be linking to it already."""
    fd = locked(os.path.dirname(os.path.dirname(path)), "pieces", fcntl.LOCK_EX)
    try:
        if whole(path):
            remove(part)
        else:
            keep(part, path, {"files": files})
    finally:
        os.close(fd)


def stored(raw: Any, entry: zipfile.ZipInfo) -> bytes:
    """Return the content of a file that is not compressed; b"" of others.

    Opening each by `zipfile` would take half of the time that unpacking does.
    """
    if entry.compress_type != zipfile.ZIP_STORED:
        return b""
    raw.seek(entry.header_offset + 26)  # of the local header: the sizes of name and extra field
    name, extra = struct.unpack("<HH", raw.read(4))
    raw.seek(name + extra, 1)
    return bytes(raw.read(entry.file_size))


def lacking(store: str, recipe: dict[str, Any]) -> list[list[Any]]:
    """Return the pieces that are not here, each once; damaged ones are removed."""
    missing = {}
    for package in recipe["packages"]:
        for piece in package[2]:
            path = store + "/pieces/" + "/".join(parts(piece[0]))
            if not whole(path):
                missing[piece[0]] = piece
    if missing:
        fd = locked(store, "pieces", fcntl.LOCK_EX)
        try:
            for digest in list(missing):
                if whole(store + "/pieces/" + digest):  # by now
                    del missing[digest]
                else:
                    remove(store + "/pieces/" + digest)
        finally:
            os.close(fd)
    return list(missing.values())

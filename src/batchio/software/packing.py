"""Making pieces of files: the same files give the same bytes, and so the same digests, everywhere.

The small files of an item become one zip, in the order of their names, all of one time; each
large file is a piece of its own, so that a changed line sends no model again. What has not changed
since it was packed is not read again.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

from batchio.core.recipe import Interpreter, Need, Package, Piece, Recipe
from batchio.errors import UsageError
from batchio.software.elf import glibc_of
from batchio.software.items import Item, SourceFile
from batchio.software.movable import FOLDER, interpreter_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from batchio.software.cache import Cache
    from batchio.software.capture import Captured
    from batchio.software.items import Items

LARGE: Final = 1 << 20
"""Least size in bytes of a file that is a piece of its own."""

TIME: Final = (1980, 1, 1, 0, 0, 0)
"""The time of everything in a piece: the oldest that a zip can have."""

READABLE: Final = 0o644
EXECUTABLE: Final = 0o755

_LAYOUT: Final = 2
"""Rises when the same files shall become other pieces."""

_SHEBANG: Final = b"#!"
_PYTHON_LINE: Final = b"#!python"
"""How a script in a wheel begins that its environment's Python runs."""


class Into(NamedTuple):
    """What pieces depend on besides the files: the environment that they are of."""

    prefix: str
    """Path that begins the first line of scripts which the environment's own Python runs."""
    library: str
    """Name of the folder in `lib`, "python3.12"."""


def pack(captured: Captured, found: Items, cache: Cache) -> Recipe:
    """Pack all that travels, and return the recipe; both are kept.

    Raises:
        UsageError: a file cannot be read, or changed while it was; the cache cannot be written.
    """
    cache.make()
    packages, needs = [], []
    into = Into(captured.prefix, captured.library)
    try:
        for item in found.items:
            package, glibc = pack_item(item, into, cache)
            packages.append(package)
            needs += glibc
        interpreter = _interpreter(captured, cache)
        recipe = Recipe(
            python=captured.minor,
            abi=captured.abi,
            library=captured.library,
            packages=tuple(packages),
            first=found.first,
            last=found.last,
            needs=tuple(needs),
            interpreter=interpreter,
            prefix=captured.prefix if found.patched else "",
            patched=found.patched,
            system=captured.system,
        )
        cache.put_recipe(recipe)
    except OSError as err:
        raise UsageError(
            f"packages cannot be packed below {cache.folder}: {err.strerror}",
            hint="make room, set XDG_CACHE_HOME, or send none: --no-package-sync",
        ) from None
    return recipe


def _interpreter(captured: Captured, cache: Cache) -> Interpreter | None:
    """Pack the Python itself, where it can be moved. It changes only with its executable."""
    executable, base = captured.base_executable, os.path.realpath(captured.base)
    path = os.path.relpath(executable, base)
    if captured.conda:
        return Interpreter(path, True, (), ())
    found = os.stat(executable)
    own = SourceFile(path, executable, found.st_size, found.st_mtime_ns, True)
    item = Item("interpreter", captured.version, "folder", FOLDER, (own,), "")
    key = _key(item)
    known = cache.packed(key)
    if known is None or not all(cache.piece(piece[0]).exists() for piece in known["pieces"]):
        files = interpreter_files(captured)
        known = {"pieces": [], "glibc": None}
        if files:
            into = Into(captured.prefix, captured.library)
            known = _packed(item._replace(files=tuple(files)), into, cache)
        cache.note(key, known)
    pieces = tuple(Piece(*piece) for piece in known["pieces"])
    for piece in pieces:
        os.utime(cache.piece(piece.digest))
    needs = (Need("Python", *known["glibc"]),) if known["glibc"] else ()
    return Interpreter(f"{FOLDER}/{path}", False, pieces, needs) if pieces else None


def pack_item(item: Item, into: Into, cache: Cache) -> tuple[Package, list[Need]]:
    """Pack one item; return it, and the newest glibc that it needs.

    Raises:
        UsageError: a file cannot be read, or changed while it was.
        OSError: the cache cannot be written.
    """
    key = _key(item)
    known = cache.packed(key)
    if known is not None and all(cache.piece(digest).exists() for digest, *_ in known["pieces"]):
        for digest, *_ in known["pieces"]:
            os.utime(cache.piece(digest))
    else:
        known = _packed(item, into, cache)
        cache.note(key, known)
    pieces = tuple(Piece(*piece) for piece in known["pieces"])
    need = [Need(item.name, *known["glibc"])] if known["glibc"] else []
    return Package(item.name, item.version, pieces), need


def _key(item: Item) -> str:
    """Return a digest of all that decides which pieces an item becomes, as far as it was looked
    at.
    """
    rows = [[_LAYOUT, item.name, item.version, item.kind, item.into], *map(list, item.files)]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _packed(item: Item, into: Into, cache: Cache) -> dict[str, Any]:
    """Make the pieces of an item; return them, and the newest glibc that they need."""
    files = sorted({file.arrival: file for file in reversed(item.files)}.values())
    small = [file for file in files if file.size < LARGE]
    large = [file for file in files if file.size >= LARGE]
    pieces: list[Piece] = []
    if small or not large:
        digest, size = _kept(cache, lambda out: _zip(item, small, into, out))
        pieces.append(Piece(digest, size, item.kind, item.into, 0))
    for file in large:
        digest, size = _kept(cache, lambda out, file=file: _copy(file, out))
        mode = EXECUTABLE if file.executable else READABLE
        pieces.append(Piece(digest, size, "file", _place(item, file, into), mode))
    return {"pieces": pieces, "glibc": _newest(item)}


def _place(item: Item, file: SourceFile, into: Into) -> str:
    """Return where a large file goes in the environment, as an installer of wheels does it."""
    if item.kind == "folder":
        return f"{item.into}/{file.arrival}".lstrip("/")
    first, _, rest = file.arrival.partition("/")
    if first.endswith(".data"):
        area, _, below = rest.partition("/")
        return f"bin/{below}" if area == "scripts" else below
    return f"lib/{into.library}/site-packages/{file.arrival}"


def _newest(item: Item) -> tuple[str, str] | None:
    """Return the file that needs the newest glibc, and that; None when none needs any."""
    newest, named = (0, 0), ""
    for file in item.files:
        name = os.path.basename(file.path)
        if ".so" in name or (file.executable and "." not in name):
            with suppress(OSError):
                found = glibc_of(file.path)
                if found and found > newest:
                    newest, named = found, file.arrival
    return (named, f"{newest[0]}.{newest[1]}") if named else None


def _kept(cache: Cache, write: Any) -> tuple[str, int]:
    """Write a piece by `write`, and keep it under its digest; return digest and size."""
    with tempfile.NamedTemporaryFile(
        dir=cache.folder / "pieces", prefix="part-", delete=False
    ) as out:
        part = Path(out.name)
        try:
            write(out)
            size = out.seek(0, os.SEEK_END)
            out.seek(0)
            digest = hashlib.file_digest(out, "sha256").hexdigest()
            part.replace(cache.piece(digest))
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    return digest, size


def _zip(item: Item, files: Sequence[SourceFile], into: Into, out: IO[bytes]) -> None:
    listing = [file for file in item.files if not _is_record(file)]
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as packed:
        for file in files:
            content = _read(file)
            if item.kind == "wheel" and ".data/scripts/" in file.arrival:
                content = _for_any_python(content, into.prefix)
            _add(packed, file.arrival, content, file.executable)
        if item.kind == "wheel" and (info := _info(item.files)):
            _add(packed, f"{info}/RECORD", _record(listing, info), executable=False)


def _add(packed: zipfile.ZipFile, arrival: str, content: bytes, executable: bool) -> None:
    name = arrival.encode("utf-8", "backslashreplace").decode()
    entry = zipfile.ZipInfo(name, TIME)
    entry.create_system = 3  # Unix, whose modes stand in the upper half
    entry.external_attr = (0o100000 | (EXECUTABLE if executable else READABLE)) << 16
    if name != arrival:  # it is not UTF-8: its bytes stand in the comment
        entry.comment = os.fsencode(arrival)
    packed.writestr(entry, content)


def _read(file: SourceFile) -> bytes:
    """Return the content of a small file.

    Raises:
        UsageError: it is not as it was when it was looked at, or cannot be read.
    """
    try:
        with open(file.path, "rb") as source:
            content = source.read()
            now = os.fstat(source.fileno())
    except OSError as err:
        raise _unreadable(file, err) from None
    if (now.st_size, now.st_mtime_ns) != (file.size, file.mtime_ns) or len(content) != file.size:
        raise _changed(file)
    return content


def _copy(file: SourceFile, out: IO[bytes]) -> None:
    try:
        with open(file.path, "rb") as source:
            count = 0
            while chunk := source.read(LARGE):
                out.write(chunk)
                count += len(chunk)
            now = os.fstat(source.fileno())
    except OSError as err:
        if err.filename is None:  # of what is written
            raise
        raise _unreadable(file, err) from None
    if (now.st_size, now.st_mtime_ns) != (file.size, file.mtime_ns) or count != file.size:
        raise _changed(file)


def _changed(file: SourceFile) -> UsageError:
    return UsageError(f"{file.path} changed while it was packed", hint="submit again")


def _unreadable(file: SourceFile, err: OSError) -> UsageError:
    return UsageError(
        f"cannot read {file.path}: {err.strerror}",
        hint="it is part of your Python environment; leave its package out: --package-sync-ignore",
    )


def _for_any_python(content: bytes, prefix: str) -> bytes:
    """Return a script as it stands in a wheel, when the environment's own Python runs it."""
    first, newline, rest = content.partition(b"\n")
    own = os.fsencode(prefix)
    if first.startswith(_SHEBANG) and own in first and b"python" in first:
        return _PYTHON_LINE + newline + rest
    return content


def _info(files: Iterable[SourceFile]) -> str:
    """Return the name of the folder of a package's metadata; "" when it has none."""
    tops = (file.arrival.partition("/")[0] for file in files)
    return next((top for top in tops if top.endswith(".dist-info")), "")


def _is_record(file: SourceFile) -> bool:
    return file.arrival.endswith(".dist-info/RECORD")


def _record(files: Iterable[SourceFile], info: str) -> bytes:
    """Return the list of a package's files, as `importlib.metadata` reads it, without digests."""
    names = sorted([*(file.arrival for file in files), f"{info}/RECORD"])
    rows = (f'"{name}",,' if "," in name or '"' in name else f"{name},," for name in names)
    return "".join(f"{row}\n" for row in rows).encode("utf-8", "surrogateescape")

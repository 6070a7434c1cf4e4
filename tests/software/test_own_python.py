"""The user's own Python travels where it can be moved, and with conda always."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from batchio.core.recipe import Interpreter, Piece
from batchio.installer.basics import Refused
from batchio.installer.building import moved
from batchio.software import packing
from batchio.software.cache import Cache
from batchio.software.capture import Captured, capture
from batchio.software.elf import linked
from batchio.software.items import items_of
from batchio.software.movable import interpreter_files
from tests.software.environments import LIBRARY, MadeEnvironment, place
from tests.software.packed import Node, listed, packed, runs
from tests.software.pythons import copy_python, make_conda


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def there(tmp_path: Path, cache: Cache) -> Node:
    return Node(tmp_path / "node", cache)


def asked(python: Path) -> Captured:
    return capture(str(python), {"PATH": os.environ["PATH"]})


# --- can it be moved -----------------------------------------------------------------


@pytest.fixture
def plain(tmp_path: Path) -> Captured:
    """A Python that is linked to nothing but the C library, as far as anybody can read."""
    base = tmp_path / "base"
    copy_python(base)
    for module in base.rglob("*.so"):
        module.unlink()
    shutil.copyfile(shutil.which("true") or "/bin/true", base / "bin" / LIBRARY)
    return replace(
        asked(Path(sys.executable)),
        base=str(base),
        base_executable=str(base / "bin" / LIBRARY),
    )


def test_one_that_needs_only_the_c_library_can_be_moved(plain: Captured) -> None:
    files = interpreter_files(plain)
    assert files is not None
    names = {file.arrival for file in files}
    assert {f"bin/{LIBRARY}", f"lib/{LIBRARY}/os.py"} <= names


def test_one_that_needs_a_library_of_the_system_cannot(plain: Captured) -> None:
    place(
        Path(plain.base) / "lib" / LIBRARY / "lib-dynload/_x.so",
        elf(needed=["libc.so.6", "libssl.so.3"]),
    )
    assert interpreter_files(plain) is None


def test_a_library_of_its_own_travels_when_it_is_looked_for_beside_it(plain: Captured) -> None:
    base = Path(plain.base)
    module = base / "lib" / LIBRARY / "lib-dynload/_x.so"
    place(base / "lib/libown.so.1", elf(needed=["libc.so.6"]))
    place(module, elf(needed=["libown.so.1"], search="/somewhere/else"))
    assert interpreter_files(plain) is None
    place(module, elf(needed=["libown.so.1"], search="$ORIGIN/../../.."))
    files = interpreter_files(plain)
    assert files is not None
    assert "lib/libown.so.1" in {file.arrival for file in files}


def test_what_a_real_program_is_linked_to_is_read_as_ldd_does() -> None:
    program = os.path.realpath(sys.executable)
    found = linked(program)
    assert found is not None
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    assert set(found.needed) <= set(re.findall(r"[\w.+-]+\.so[.\d]*", said))
    assert "libc.so.6" in found.needed
    assert linked(__file__) is None


def elf(needed: list[str], search: str = "") -> bytes:
    """A file of 64 bits that says what it is linked to, and no more."""
    names = b"\0"
    tags: list[tuple[int, int]] = []
    for tag, name in [*((1, name) for name in needed), (29, search)]:
        if name:
            tags.append((tag, len(names)))
            names += name.encode() + b"\0"
    table = 64 + 2 * 56
    tags += [(5, table), (0, 0)]
    dynamic = b"".join(a.to_bytes(8, "little") + b.to_bytes(8, "little") for a, b in tags)
    at, size = table + len(names), len(dynamic)
    head = b"\x7fELF\x02\x01\x01".ljust(32, b"\0") + (64).to_bytes(8, "little")
    head = head.ljust(54, b"\0") + (56).to_bytes(2, "little") + (2).to_bytes(2, "little")

    def part(kind: int, offset: int, length: int) -> bytes:
        numbers = (offset, offset, offset, length, length, 8)
        first = kind.to_bytes(4, "little") + (4).to_bytes(4, "little")
        return first + b"".join(number.to_bytes(8, "little") for number in numbers)

    whole = head.ljust(64, b"\0") + part(1, 0, at + size) + part(2, at, size)
    return whole + names + dynamic


# --- it travels ----------------------------------------------------------------------


def test_a_node_without_that_python_gets_it_and_one_that_has_it_does_not(
    tmp_path: Path, cache: Cache, there: Node
) -> None:
    made = MadeEnvironment(tmp_path / "venv")
    made.install("plain", {"plain.py": "WORD = 'plain'\n"})
    recipe = packed(made, cache)
    copy_python(tmp_path / "base")
    pieces = tuple(
        Piece(
            *packing._kept(cache, lambda out, file=file: packing._copy(file, out)),
            "file",
            f"python/{file.arrival}",
            0o755 if file.executable else 0o644,
        )
        for file in listed(str(tmp_path / "base"))
    )
    own = Interpreter(f"python/bin/{LIBRARY}", False, pieces, ())
    has = replace(recipe, interpreter=own)
    there.make(has)
    assert not set(there.sent) & {piece.digest for piece in pieces}

    machine = recipe.abi.split("-", 2)[2]
    lacks = replace(has, abi=f"cpython-399-{machine}")
    environment = there.make(lacks, "job2.0")
    assert set(there.sent) >= {piece.digest for piece in pieces}
    program = "import plain, sys; print(plain.WORD, sys.base_prefix, sys.prefix)"
    assert runs(environment, "python", "-c", program) == (
        f"plain {environment}/python {environment}\n"
    )
    other = replace(has, abi="cpython-399-riscv64-linux-gnu")
    assert "it has no Python" in there.call(other)["refused"]


@pytest.mark.skipif(
    "posix_local" in sysconfig.get_scheme_names(),
    reason="NOT TESTED, and need not be: Debian's Python has packages where conda's has none",
)
def test_an_environment_of_conda_travels_with_its_python_and_knows_its_new_place(
    tmp_path: Path, cache: Cache, there: Node
) -> None:
    root = tmp_path / "conda"
    site = make_conda(root)
    by_pip = MadeEnvironment(tmp_path / "venv")
    by_pip.install("plain", {"plain.py": "WORD = 'by pip'\n"}, scripts="plain = plain:main")
    shutil.copytree(by_pip.site, site, dirs_exist_ok=True)
    captured = asked(root / "bin/python")
    assert captured.conda
    found = items_of(captured, listed)
    assert [item.name for item in found.items] == ["python", "tool", "plain"]
    environment = there.make(packing.pack(captured, found, cache))

    program = "import plain, sys; print(plain.WORD, sys.prefix, sys.base_prefix)"
    assert runs(environment, "python", "-c", program) == f"by pip {environment} {environment}\n"
    assert runs(environment, "tool") == f"{environment}\n"
    assert (environment / "etc/tool.conf").read_text() == f"home = {environment}/share\n"
    library = (environment / "lib/libtool.so").read_bytes()
    assert len(library) == (root / "lib/libtool.so").stat().st_size
    assert library.startswith(b"\x7fELF\0before\0" + os.fsencode(f"{environment}/share") + b"\0")
    assert library.endswith(b"\0after\0")
    there.sent.clear()
    assert there.make(packing.pack(captured, found, cache), "job2.0") == environment
    assert there.sent == []


def test_conda_is_refused_where_the_machine_is_another(
    tmp_path: Path, cache: Cache, there: Node
) -> None:
    make_conda(tmp_path / "conda")
    captured = asked(tmp_path / "conda/bin/python")
    recipe = packing.pack(captured, items_of(captured, listed), cache)
    other = replace(recipe, abi="cpython-311-riscv64-linux-gnu")
    assert there.call(other)["refused"].endswith(
        "and the environment of conda is for riscv64-linux-gnu"
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a\0/old/x\0\0\0\0\0b", b"a\0/newer/x\0\0\0b"),
        (b"/old:/old/y\0\0\0\0\0\0/old\0\0\0", b"/newer:/newer/y\0\0/newer\0"),
        (b"a\0b", b"a\0b"),
    ],
)
def test_texts_of_a_compiled_file_stay_where_they_are(content: bytes, expected: bytes) -> None:
    assert moved(content, b"/old", b"/newer") == expected
    with pytest.raises(Refused, match="is too long for a file of conda"):
        moved(b"/old\0x", b"/old", b"/newer")


def test_files_in_which_the_prefix_stands_are_known(tmp_path: Path, cache: Cache) -> None:
    make_conda(tmp_path / "conda")
    captured = asked(tmp_path / "conda/bin/python")
    recipe = packing.pack(captured, items_of(captured, listed), cache)
    [tool] = [package for package in recipe.packages if package.name == "tool"]
    with zipfile.ZipFile(cache.piece(tool.pieces[0].digest)) as piece:
        assert piece.namelist() == ["bin/tool", "etc/tool.conf", "lib/libtool.so"]
    assert recipe.patched == ("bin/tool", "etc/tool.conf", "lib/libtool.so")

"""The same files become the same pieces, wherever and whenever they are packed."""

import contextlib
import os
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from batchio.core.recipe import Recipe
from batchio.errors import BatchioError, UsageError
from batchio.software import packing
from batchio.software.cache import Cache, cache_folder
from batchio.software.capture import capture
from batchio.software.elf import glibc_of
from batchio.software.items import items_of
from tests.software.environments import MadeEnvironment, compiled, place
from tests.software.packed import listed, packed


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def made(tmp_path: Path) -> MadeEnvironment:
    made = MadeEnvironment(tmp_path / "venv")
    made.install("plain", {"plain.py": "x = 1\n", "plain.bin": bytes(packing.LARGE)})
    return made


def test_the_same_files_at_another_place_and_time_have_the_same_digest(
    made: MadeEnvironment, cache: Cache, tmp_path: Path
) -> None:
    other = MadeEnvironment(tmp_path / "elsewhere/venv")
    other.install("plain", {"plain.bin": bytes(packing.LARGE), "plain.py": "x = 1\n"})
    os.utime(other.site / "plain.py", (1, 1))
    place(other.python.parent / "old", f"#!{other.python}\nprint()\n")
    place(made.python.parent / "old", f"#!{made.python}\nprint()\n")
    for each in (made, other):
        (each.python.parent / "old").chmod(0o755)
        record = each.site / "plain-1.0.dist-info/RECORD"
        record.write_text(record.read_text() + "\n../../../bin/old,,\n")
    one, two = packed(made, cache), packed(other, Cache(tmp_path / "cache2"))
    assert [piece.digest for piece in one.pieces().values()] == list(two.pieces())
    assert one.digest == two.digest


def test_a_changed_line_sends_no_large_file_again(made: MadeEnvironment, cache: Cache) -> None:
    before = set(packed(made, cache).pieces())
    place(made.site / "plain.py", "x = 22\n")
    after = packed(made, cache)
    [new] = set(after.pieces()) - before
    assert after.pieces()[new].size < packing.LARGE
    assert len(before) == 2


def test_what_has_not_changed_is_not_read_again(made: MadeEnvironment, cache: Cache) -> None:
    first = packed(made, cache)
    (made.site / "plain.bin").chmod(0)  # root reads it all the same, so look at the time, too
    times = {path: path.stat().st_ino for path in (cache.folder / "pieces").iterdir()}
    assert packed(made, cache) == first
    assert {path: path.stat().st_ino for path in (cache.folder / "pieces").iterdir()} == times


def test_a_piece_that_was_lost_is_packed_again(made: MadeEnvironment, cache: Cache) -> None:
    first = packed(made, cache)
    for piece in first.pieces():
        cache.piece(piece).unlink()
    assert packed(made, cache) == first
    assert cache.recipe(first.digest) == first


def test_a_computer_that_packed_nothing_fetches_what_it_lacks_and_checks_it(
    made: MadeEnvironment, cache: Cache, tmp_path: Path
) -> None:
    recipe, other = packed(made, cache), Cache(tmp_path / "other")
    stored = {digest: file.read_bytes() for digest, file in cache.files(recipe.digest).items()}
    assert stored.keys() == {recipe.digest, *recipe.pieces()}
    fetched: list[str] = []

    def fetch(digest: str, file: Path) -> bool:
        fetched.append(digest)
        return digest in stored and bool(file.write_bytes(stored[digest]))

    damaged = next(iter(recipe.pieces()))
    whole, stored[damaged] = stored[damaged], b"something else"
    with pytest.raises(BatchioError, match=f"damaged: what is stored as {damaged}"):
        other.fill(recipe.digest, fetch)
    del stored[damaged]
    other.fill(recipe.digest, fetch)
    with pytest.raises(BatchioError, match="are not below"):
        other.recipe(recipe.digest)
    stored[damaged] = whole
    other.fill(recipe.digest, fetch)
    assert other.recipe(recipe.digest) == recipe
    assert other.files(recipe.digest).keys() == stored.keys()
    fetched.clear()
    other.fill(recipe.digest, fetch)
    assert fetched == []
    assert not [path.name for path in other.folder.rglob("part-*")]


@pytest.mark.parametrize("name", ["plain.py", "plain.bin"])
def test_a_file_that_changes_while_it_is_packed_is_an_error(
    made: MadeEnvironment, cache: Cache, name: str
) -> None:
    captured = capture(str(made.python), os.environ)
    found = items_of(captured, listed)
    with (made.site / name).open("ab") as file:
        file.write(b"more")
    with pytest.raises(UsageError, match=r"plain\.\w+ changed while it was packed"):
        packing.pack(captured, found, cache)
    assert not list((cache.folder / "pieces").glob("part-*"))


def test_a_cache_that_cannot_be_written_is_an_error_with_a_way_out(
    made: MadeEnvironment, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="packages cannot be packed below") as refused:
        packed(made, Cache(tmp_path / "file/cache"))
    assert "--no-package-sync" in str(refused.value.hint)


def test_what_was_not_used_for_long_goes_and_its_job_says_so(
    made: MadeEnvironment, cache: Cache
) -> None:
    recipe = packed(made, cache)
    for path in cache.folder.rglob("*"):
        os.utime(path, (1, 1))
    assert cache.recipe(recipe.digest) == recipe  # that is a use
    for path in cache.folder.rglob("*"):
        os.utime(path, (1, 1))
    cache.make()
    with pytest.raises(BatchioError, match=r"are not below .* any more") as gone:
        cache.recipe(recipe.digest)
    assert gone.value.hint == "submit it again"


def test_the_newest_glibc_that_a_compiled_package_needs_is_known(
    made: MadeEnvironment, cache: Cache
) -> None:
    made.install("native", compiled("native", "mmap"))
    [need] = packed(made, cache).needs
    assert (need.package, need.file.partition(".")[0]) == ("native", "native/mmap")
    assert glibc_of(made.site / need.file) == tuple(map(int, need.glibc.split(".")))


def test_a_recipe_is_the_same_after_it_was_json(made: MadeEnvironment, cache: Cache) -> None:
    recipe = packed(made, cache)
    assert Recipe.from_json(recipe.to_json()) == recipe
    with pytest.raises(ValueError, match="version 99"):
        Recipe.from_json({**recipe.to_json(), "version": 99})


def test_the_cache_stands_where_the_desktop_standard_puts_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/home/alice")
    assert cache_folder({}) == Path("/home/alice/.cache/batchio/software")
    assert cache_folder({"XDG_CACHE_HOME": "/x"}) == Path("/x/batchio/software")
    assert cache_folder({"XDG_CACHE_HOME": "x"}) == Path("/home/alice/.cache/batchio/software")


def test_a_file_that_is_listed_twice_and_names_that_are_not_utf_8_arrive(
    made: MadeEnvironment, cache: Cache
) -> None:
    odd = [os.fsdecode(name) for name in (b"na\xefve.txt", b"na\xeeve.txt")]
    record = made.site / "plain-1.0.dist-info/RECORD"
    for name in odd:
        place(made.site / name, name.encode("utf-8", "surrogateescape"))
    with record.open("a") as file:
        file.write("\nplain.py,,\n")
    recipe = packed(made, cache)
    names = []
    for piece in recipe.pieces():
        with contextlib.suppress(zipfile.BadZipFile), zipfile.ZipFile(cache.piece(piece)) as zipped:
            names += [
                os.fsdecode(entry.comment) if entry.comment else entry.filename
                for entry in zipped.infolist()
            ]
    assert {name for name in names if "ve.txt" in name} == set(odd)
    assert names.count("plain.py") == 1


def test_many_that_pack_at_once_do_not_get_into_each_others_way(
    made: MadeEnvironment, cache: Cache
) -> None:
    captured = capture(str(made.python), os.environ)
    found = items_of(captured, listed)
    with ThreadPoolExecutor(8) as pool:
        works = [pool.submit(packing.pack, captured, found, cache) for _ in range(40)]
        assert len({work.result().digest for work in works}) == 1
    assert not list(cache.folder.rglob("part-*"))

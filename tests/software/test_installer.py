"""An environment on a node is whole or not there, is built once, and finds what it found here."""

import errno
import os
import shutil
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from batchio.core.recipe import Need, Package, Recipe
from batchio.installer import basics, building, making, node, pieces, sweeping
from batchio.software.cache import Cache
from batchio.software.packing import LARGE
from tests.software.environments import MadeEnvironment, compiled, place
from tests.software.packed import Node, age, packed, runs

TOOL = "import sys\ndef main():\n    print('tool', *sys.argv[1:])\nWORD = 'plain'\n"


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def made(tmp_path: Path) -> MadeEnvironment:
    made = MadeEnvironment(tmp_path / "venv")
    files: dict[str, str | bytes] = {"plain/__init__.py": TOOL, "plain/large.bin": bytes(LARGE)}
    made.install("plain", files, "2.5", scripts="tool = plain:main")
    return made


@pytest.fixture
def there(tmp_path: Path, cache: Cache) -> Node:
    return Node(tmp_path / "node", cache)


@pytest.fixture
def recipe(made: MadeEnvironment, cache: Cache) -> Recipe:
    return packed(made, cache)


def test_it_finds_what_was_found_here(
    made: MadeEnvironment, cache: Cache, there: Node, tmp_path: Path
) -> None:
    made.install("native", compiled("native"))
    made.install("old", {"../../../bin/old": f"#!{made.python}\nimport plain; print(plain.WORD)\n"})
    (made.python.parent / "old").chmod(0o755)
    place(
        made.site / "old-1.0.dist-info/RECORD", "../../../bin/old,,\nold-1.0.dist-info/METADATA,,"
    )
    place(tmp_path / "early/json.py", "WORD = 'before the standard library'")
    place(tmp_path / "project/src/mine.py", "WORD = 'mine'")
    made.install_editable("mine", tmp_path / "project")
    environment = there.make(packed(made, cache, PYTHONPATH=str(tmp_path / "early")))

    assert runs(environment, "tool", "a b") == "tool a b\n"
    assert runs(environment, "old") == "plain\n"
    program = "import mine, native._json, plain, sys; print(mine.WORD, plain.WORD, sys.prefix)"
    assert runs(environment, "python3", "-c", program) == f"mine plain {environment}\n"
    version = "from importlib.metadata import version; print(version('mine'), version('plain'))"
    assert runs(environment, "python", "-c", version) == "1.0 2.5\n"
    early = (environment / "pythonpath").read_text()
    assert Path(early, "json.py").read_text() == "WORD = 'before the standard library'"
    assert (there.home() / "software").resolve() == environment


@pytest.mark.parametrize("system", [True, False])
def test_packages_of_the_distribution_are_found_where_they_were_found_here(
    recipe: Recipe, there: Node, system: bool
) -> None:
    environment = there.make(replace(recipe, system=system))
    sites = "import site, sys; print(*site.getsitepackages())"
    found = runs(environment, "python", "-c", sites).split()
    assert found[0].startswith(str(environment))
    assert any(not folder.startswith(str(environment)) for folder in found) is system


def test_a_second_job_is_sent_nothing(recipe: Recipe, there: Node) -> None:
    first = there.make(recipe)
    count = len(there.sent)
    assert there.make(recipe, "job2.0") == first
    assert len(there.sent) == count == 2


def test_a_changed_line_sends_one_piece(
    made: MadeEnvironment, cache: Cache, recipe: Recipe, there: Node
) -> None:
    there.make(recipe)
    there.sent.clear()
    place(made.site / "plain/__init__.py", TOOL.replace("'plain'", "'changed'"))
    environment = there.make(packed(made, cache))
    assert len(there.sent) == 1
    assert runs(environment, "python", "-c", "import plain; print(plain.WORD)") == "changed\n"


def test_whole_pieces_stay_when_the_connection_is_cut(recipe: Recipe, there: Node) -> None:
    first, second = recipe.pieces().values()
    process = there.begin(recipe)
    data = [there.cache.piece(piece.digest).read_bytes() for piece in (first, second)]
    said, _ = process.communicate(
        there.asked(recipe, (first, second)) + data[0] + data[1][: second.size // 2]
    )
    assert b"the connection ended before all was sent" in said
    assert there.call(recipe) == {"missing": [second.digest]}
    assert not (there.home() / "software").exists()


def test_a_program_that_is_killed_leaves_nothing_that_is_taken_for_an_environment(
    recipe: Recipe, there: Node
) -> None:
    first, second = recipe.pieces().values()
    process = there.begin(recipe)
    assert process.stdin
    process.stdin.write(there.asked(recipe, (first, second)))
    process.stdin.write(there.cache.piece(first.digest).read_bytes()[:1000])
    process.stdin.flush()
    process.kill()
    process.communicate()
    environment = there.make(recipe)
    assert runs(environment, "tool") == "tool\n"
    left = [path.name for path in there.store.rglob("*") if ".part-" in path.name]
    assert left == []


def test_two_jobs_at_once_build_it_once(recipe: Recipe, there: Node) -> None:
    known = list(recipe.pieces().values())
    there.store.mkdir(parents=True)
    first = there.begin(recipe)
    assert first.stdin
    first.stdin.write(there.asked(recipe, known))
    first.stdin.flush()
    while not list(there.store.glob("pieces/*.part-*")):  # it holds the lock now
        assert first.poll() is None
    second = there.begin(recipe, "job2.0")
    assert second.stdin
    second.stdin.write(there.asked(recipe, ()))
    second.stdin.close()
    for piece in known:
        first.stdin.write(there.cache.piece(piece.digest).read_bytes())
    first.stdin.close()
    assert first.stdout
    assert second.stdout
    assert b"environment" in first.stdout.read()
    assert b"environment" in second.stdout.read()  # and nothing was missing
    assert (first.wait(), second.wait()) == (0, 0)
    for process in (first, second):
        for stream in (process.stdout, process.stderr):
            assert stream
            stream.close()


@pytest.mark.parametrize("harm", ["missing", "changed", "touched"])
def test_a_damaged_environment_is_built_anew_of_whole_pieces(
    recipe: Recipe, there: Node, harm: str
) -> None:
    environment = there.make(recipe)
    victim = next(environment.rglob("plain/__init__.py"))
    if harm == "missing":
        victim.unlink()
    else:
        victim.write_text("broken" if harm == "changed" else TOOL)
    there.sent.clear()
    assert runs(there.make(recipe), "tool") == "tool\n"
    assert len(there.sent) == (0 if harm == "missing" else 1)  # a link shares what is changed


def test_an_environment_of_twenty_days_is_built_anew(recipe: Recipe, there: Node) -> None:
    environment = there.make(recipe)
    inode = environment.stat().st_ino
    age(Path(f"{environment}.list"), basics.OLD_S + 1)
    there.sent.clear()
    assert there.make(recipe).stat().st_ino != inode
    assert there.sent == []


def test_the_first_of_two_files_at_one_path_counts(
    made: MadeEnvironment, cache: Cache, there: Node
) -> None:
    for name in ("aa", "bb"):
        made.install(name, {"shared.py": f"WORD = {name!r}\n"})
        recipe = packed(made, cache)
    made.install("aa", {"shared.py": "WORD = 'aa'\n"})
    first = packed(made, cache)
    both = replace(first, packages=(*first.packages, *recipe.packages))
    environment = there.make(both)
    assert runs(environment, "python", "-c", "import shared; print(shared.WORD)") == "aa\n"


def test_no_path_leaves_its_folder(recipe: Recipe, there: Node, tmp_path: Path) -> None:
    (tmp_path / "store/locks").mkdir(parents=True)
    (tmp_path / "store/pieces").mkdir()
    evil = tmp_path / "evil.zip"
    with zipfile.ZipFile(evil, "w") as out:
        out.writestr("../../escaped.py", "x")
    with pytest.raises(basics.Refused, match="is no path below a folder"):
        pieces.unpack(str(evil), str(tmp_path / "store/pieces/x"), "wheel")
    piece = next(iter(recipe.pieces().values()))
    for into in ("../x", "/etc/x", "a//b", "a/\0"):
        bad = replace(
            recipe, packages=(Package("p", "1", (piece._replace(kind="file", into=into),)),)
        )
        answer = there.call(bad, [piece._replace(kind="file")])
        assert "is no path below a folder" in answer["refused"]
    assert not list(there.store.glob("envs/*.list"))


def test_a_piece_that_another_job_has_brought_meanwhile_stays(
    recipe: Recipe, there: Node, tmp_path: Path
) -> None:
    there.make(recipe)
    for piece in recipe.pieces().values():
        path = there.store / "pieces" / piece.digest
        inode = path.stat().st_ino
        part = shutil.copyfile(there.cache.piece(piece.digest), f"{path}.part-1")
        pieces.unpack(str(part), str(path), piece.kind)
        assert path.stat().st_ino == inode
    assert not list(there.store.rglob("*.part-*"))


def test_other_bytes_than_were_promised_are_refused(recipe: Recipe, there: Node) -> None:
    first = next(iter(recipe.pieces().values()))
    said, _ = there.begin(recipe).communicate(there.asked(recipe, [first]) + bytes(first.size))
    assert b"is something else" in said
    assert there.call(recipe)["missing"][0] == first.digest


def test_a_python_of_another_abi_is_refused_and_what_there_is_named(
    recipe: Recipe, there: Node
) -> None:
    other = replace(recipe, abi="cpython-399-x86_64-linux-gnu", python="3.99", library="python3.99")
    assert there.call(other)["refused"] == (
        f"it has no Python 3.99 (cpython-399-x86_64-linux-gnu), but {recipe.abi}"
    )


def test_a_file_that_needs_a_newer_libc_is_named(recipe: Recipe, there: Node) -> None:
    needy = replace(recipe, needs=(Need("plain", "plain/x.so", "9.99"),))
    assert there.call(needy)["refused"].startswith("plain needs glibc 9.99 (plain/x.so), it has ")


def test_copies_are_made_where_links_are_refused(
    recipe: Recipe, there: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    there.call(recipe, recipe.pieces().values())
    store, python = str(there.store), os.path.realpath(sys.executable)
    whole = {**recipe.to_json(), "digest": "f" * 64}

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    environment = building.Building(store, whole, python)
    environment.make()
    assert environment.ready()
    assert runs(Path(environment.name), "tool") == "tool\n"


def test_no_room_is_said_before_anything_is_sent(
    recipe: Recipe, there: Node, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    missing = [[piece.digest, 1 << 60, piece.kind] for piece in recipe.pieces().values()]
    with pytest.raises(basics.Refused, match=r"no room for packages: \d+ MiB are needed below"):
        node.check_room(str(tmp_path), missing)


@pytest.mark.parametrize("trouble", ["noexec", "unwritable"])
def test_a_folder_of_no_use_is_replaced_by_one_in_the_home_folder(
    trouble: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    real = os.statvfs

    class Flags:
        f_flag = os.ST_NOEXEC

    def flags(path: str) -> object:
        return Flags() if path == str(store) else real(path)

    if trouble == "noexec":
        monkeypatch.setattr(os, "statvfs", flags)
    else:
        (tmp_path / "file").write_text("")
        store = tmp_path / "file/store"
    assert node.usable(str(store), private=False).startswith(str(home))
    with pytest.raises(basics.Refused, match="no folder for packages"):
        node.usable(str(store), private=True)


# --- sweeping ------------------------------------------------------------------------


@pytest.fixture
def another(made: MadeEnvironment, cache: Cache, there: Node, recipe: Recipe) -> Recipe:
    """A second recipe on the node; it shares a piece with the first."""
    there.make(recipe)
    place(made.site / "plain/__init__.py", "WORD = 1\n")
    other = packed(made, cache)
    there.make(other, "job2.0")
    return other


def environments(there: Node) -> int:
    return len(list(there.store.glob("envs/*.list")))


def unused(there: Node, days: float) -> None:
    for path in there.store.glob("envs/*.homes"):
        age(path, days * 86400)


def test_what_was_not_used_for_a_week_goes_but_never_what_is_in_use(
    there: Node, another: Recipe
) -> None:
    shutil.rmtree(there.home())
    unused(there, 6.9)
    assert sweeping.sweep(str(there.store)) == 0
    assert environments(there) == 2
    unused(there, 0.2)
    sweeping.sweep(str(there.store))
    assert environments(there) == 1
    assert there.call(another)["environment"]


def test_more_than_the_most_goes_the_longest_unused_first(
    there: Node, another: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(there.home())
    monkeypatch.setattr(sweeping, "MOST", LARGE)
    assert sweeping.sweep(str(there.store)) > 0
    assert environments(there) == 1
    assert there.call(another)["environment"]


def test_cleaning_removes_all_but_what_is_in_use(there: Node, another: Recipe) -> None:
    shutil.rmtree(there.home())
    assert '"bytes"' in making.main("clean", str(there.store))
    assert environments(there) == 1
    shutil.rmtree(there.home("job2.0"))
    making.main("clean", str(there.store))
    assert [
        path for path in there.store.rglob("*") if path.is_file() and path.parent.name != "locks"
    ] == []
    assert making.main("clean", str(there.store) + "-not-there") == '{"bytes": 0}'

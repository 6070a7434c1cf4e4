"""What an index has as it is installed here, nodes get there; everything else comes from here."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from batchio.core.recipe import Recipe
from batchio.installer import wheels as wheels_room
from batchio.software import index as index_room
from batchio.software.cache import Cache
from batchio.software.capture import capture
from batchio.software.index import Shortcuts, shortcuts
from batchio.software.items import items_of
from batchio.software.packing import pack
from batchio.software.uv import find_uv, tags_of
from tests.software.environments import MadeEnvironment, place
from tests.software.indexes import Index, make_wheel, serving
from tests.software.packed import Node, listed, runs

Submit = Callable[[], tuple[Recipe, Shortcuts]]

TOOL = "import sys\ndef main():\n    print('tool', *sys.argv[1:])\nWORD = 'plain'\n"


@pytest.fixture
def index() -> Iterator[Index]:
    """An index with two packages, of which one has a program."""
    with serving() as made:
        made.add(
            make_wheel("plain", "2.5", {"plain.py": TOOL}, scripts="plain-tool = plain:main"),
            make_wheel("other", "1.0", {"other.py": "WORD = 'other'"}),
        )
        yield made


@pytest.fixture
def environ(index: Index, tmp_path: Path) -> dict[str, str]:
    """Variables of a user of that index."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "UV_CACHE_DIR": str(tmp_path / "uv"),
        "UV_DEFAULT_INDEX": index.url,
    }


@pytest.fixture
def made(tmp_path: Path) -> MadeEnvironment:
    return MadeEnvironment(tmp_path / "venv")


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def installed(made: MadeEnvironment, environ: dict[str, str], *names: str) -> None:
    """Install packages as a user does."""
    uv = find_uv(environ, "/")
    assert uv
    argv = [uv.path, "pip", "install", "--quiet", "--python", str(made.python), *names]
    subprocess.run(argv, env=environ, check=True)


@pytest.fixture
def submit(made: MadeEnvironment, cache: Cache, environ: dict[str, str], tmp_path: Path) -> Submit:
    """Pack the environment, and ask for its wheels, as a submission does."""

    def submitted() -> tuple[Recipe, Shortcuts]:
        captured = capture(str(made.python), environ)
        items = items_of(captured, listed)
        recipe = pack(captured, items, cache)
        found = shortcuts(items.items, captured, cache, environ, str(tmp_path))
        cache.put_wheels(recipe, found.wheels)
        return recipe, found

    return submitted


def test_a_node_gets_from_an_index_what_is_there_and_is_sent_the_rest(
    made: MadeEnvironment,
    index: Index,
    environ: dict[str, str],
    submit: Submit,
    cache: Cache,
    tmp_path: Path,
) -> None:
    installed(made, environ, "plain", "other")
    made.install("mine", {"mine.py": "WORD = 'mine'"}, origin={"url": "file:///x", "dir_info": {}})
    recipe, found = submit()
    assert sorted(found.wheels) == ["other", "plain"]
    index.asked.clear()
    node = Node(tmp_path / "node", cache)
    environment = node.make(recipe)

    [mine] = [package for package in recipe.packages if package.name == "mine"]
    assert node.sent == [piece.digest for piece in mine.pieces]
    assert sorted(index.files()) == ["other-1.0-py3-none-any.whl", "plain-2.5-py3-none-any.whl"]
    program = "import mine, other, plain; print(mine.WORD, other.WORD, plain.WORD)"
    assert runs(environment, "python", "-c", program) == "mine other plain\n"
    assert runs(environment, "plain-tool", "x") == "tool x\n"
    version = "from importlib.metadata import version; print(version('plain'))"
    assert runs(environment, "python", "-c", version) == "2.5\n"


def test_a_second_job_asks_nobody(
    made: MadeEnvironment,
    index: Index,
    environ: dict[str, str],
    submit: Submit,
    cache: Cache,
    tmp_path: Path,
) -> None:
    installed(made, environ, "plain")
    recipe, found = submit()
    node = Node(tmp_path / "node", cache)
    first = node.make(recipe)
    index.asked.clear()
    assert submit() == (recipe, found)
    assert node.make(recipe, "job2.0") == first
    assert (index.asked, node.sent) == ([], [])


@pytest.mark.parametrize("fault", ["gone", "other bytes", "login page", "silent", "login"])
def test_what_an_index_does_not_give_is_sent_as_it_is_installed(
    made: MadeEnvironment,
    index: Index,
    environ: dict[str, str],
    submit: Submit,
    cache: Cache,
    tmp_path: Path,
    fault: str,
) -> None:
    installed(made, environ, "plain", "other")
    recipe, found = submit()
    assert len(found.wheels) == 2
    if fault == "login":
        index.login = "alice:secret"
    else:
        index.fault = fault  # type: ignore[assignment]
    node = Node(tmp_path / "node", cache)
    environment = node.make(recipe)
    assert len(node.sent) == 2
    assert runs(environment, "python", "-c", "import plain; print(plain.WORD)") == "plain\n"
    assert not list((node.store / "pieces").glob("*.part-*"))


def test_one_server_that_is_silent_ends_the_asking(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = []

    def silent(path: str, digest: str, url: str) -> None:
        asked.append(url)
        raise wheels_room.Silent

    monkeypatch.setattr(wheels_room, "get_wheel", silent)
    wanted = [(f"{tmp_path}/{n}", ("0", f"http://127.0.0.1/{n}")) for n in range(40)]
    wheels_room.get_all(wanted)
    assert 1 <= len(asked) <= 4


def test_nobody_is_asked_where_names_of_servers_are_not_known(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert wheels_room.known({"http://127.0.0.1/x"})
    assert not wheels_room.known({"http://127.0.0.1/x", "http://batchio.invalid/x"})
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert wheels_room.known({"http://batchio.invalid/x"})


def test_a_package_that_was_changed_by_hand_travels_changed(
    made: MadeEnvironment, environ: dict[str, str], submit: Submit, cache: Cache, tmp_path: Path
) -> None:
    installed(made, environ, "plain", "other")
    source = made.site / "plain.py"
    text = source.read_text().replace("'plain'", "'mended'")
    source.unlink()  # it shares its file with uv's cache
    source.write_text(text)
    recipe, found = submit()
    assert list(found.wheels) == ["other"]
    environment = Node(tmp_path / "node", cache).make(recipe)
    assert runs(environment, "python", "-c", "import plain; print(plain.WORD)") == "mended\n"


def test_a_change_that_keeps_the_size_is_seen_by_time_and_digest(
    made: MadeEnvironment, environ: dict[str, str], submit: Submit
) -> None:
    installed(made, environ, "plain")
    source, record = made.site / "plain.py", made.site / "plain-2.5.dist-info/RECORD"
    then = record.stat().st_mtime
    os.utime(source, (then + 10, then + 10))
    assert list(submit()[1].wheels) == ["plain"]
    text = source.read_text().replace("plain", "PLAIN")
    source.unlink()
    source.write_text(text)
    os.utime(source, (then + 10, then + 10))
    assert submit()[1].wheels == {}


def test_a_package_that_was_built_here_is_not_the_one_of_the_index(
    made: MadeEnvironment, environ: dict[str, str], submit: Submit
) -> None:
    installed(made, environ, "plain")
    info = made.site / "plain-2.5.dist-info"
    wheel = (info / "WHEEL").read_text().replace("py3-none-any", "cp311-cp311-linux_x86_64")
    (info / "WHEEL").unlink()
    place(info / "WHEEL", wheel)
    rows = (info / "RECORD").read_text().splitlines()
    (info / "RECORD").unlink()
    place(info / "RECORD", "\n".join(row for row in rows if "/WHEEL," not in row))
    assert submit()[1].wheels == {}


def test_packages_that_no_index_has_keep_no_other_from_it(
    made: MadeEnvironment, environ: dict[str, str], submit: Submit, index: Index
) -> None:
    index.add(make_wheel("rare", "1.0", {"rare.py": ""}))
    installed(made, environ, "plain", "other", "rare")
    del index.wheels["rare-1.0-py3-none-any.whl"]
    environ["UV_CACHE_DIR"] += "2"  # it knows nothing of that
    _, found = submit()
    assert sorted(found.wheels) == ["other", "plain"]
    assert found.note == ""


def test_without_an_index_all_is_sent_and_a_note_says_so_until_one_is_asked_again(
    made: MadeEnvironment,
    index: Index,
    environ: dict[str, str],
    submit: Submit,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    installed(made, environ, "plain")
    kept, index.wheels = index.wheels, {}
    environ["UV_CACHE_DIR"] += "2"
    assert submit()[1] == ({}, index_room.NOTE)
    index.wheels = kept
    assert submit()[1] == ({}, index_room.NOTE)
    monkeypatch.setattr(index_room, "AGAIN_S", -1.0)
    assert list(submit()[1].wheels) == ["plain"]


def test_without_uv_all_is_sent(
    made: MadeEnvironment,
    environ: dict[str, str],
    submit: Submit,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    installed(made, environ, "plain")
    monkeypatch.setattr(index_room, "find_uv", lambda *_: None)
    assert submit()[1] == ({}, "")


def test_builds_of_pytorch_are_looked_for_at_its_own_index(
    made: MadeEnvironment,
    index: Index,
    environ: dict[str, str],
    submit: Submit,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch = make_wheel("torch", "2.9.0+cpu", {"torch.py": ""})
    installed(made, environ, "plain")
    with serving() as other:
        other.add(torch)
        installed(made, {**environ, "UV_DEFAULT_INDEX": other.url}, "torch")
        monkeypatch.setattr(index_room, "TORCH", other.url.removesuffix("/simple"))
        monkeypatch.setattr(
            other, "answer", lambda path, ask=other.answer: ask(path.replace("/cpu/", "/simple/"))
        )
        found = submit()[1].wheels
    assert sorted(found) == ["plain", "torch"]


def test_a_password_is_in_nothing_that_is_kept_or_sent(
    made: MadeEnvironment,
    index: Index,
    environ: dict[str, str],
    submit: Submit,
    cache: Cache,
    tmp_path: Path,
) -> None:
    index.login = "alice:s3cret-word"
    environ["UV_DEFAULT_INDEX"] = index.private_url
    installed(made, environ, "plain")
    recipe, found = submit()
    assert found.wheels["plain"][1].startswith("http://127.0.0.1:")
    node = Node(tmp_path / "node", cache)
    assert "s3cret" not in node.asked(recipe, ()).decode()
    environment = node.make(recipe)
    assert len(node.sent) == 1
    assert runs(environment, "plain-tool", "x") == "tool x\n"
    for folder in (cache.folder, tmp_path / "node"):
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert files
        assert not [path for path in files if b"s3cret" in path.read_bytes()]


def test_another_password_asks_nobody_again_and_another_index_does(
    made: MadeEnvironment, index: Index, environ: dict[str, str], submit: Submit
) -> None:
    installed(made, environ, "plain")
    submit()
    index.asked.clear()
    environ["UV_DEFAULT_INDEX"] = index.url.replace("//", "//alice:one@")
    submit()
    assert index.asked == []
    environ["UV_INDEX"] = f"extra={index.url}"
    submit()
    assert index.asked


@pytest.mark.parametrize(
    ("name", "tags"),
    [
        ("plain-1.0-py3-none-any.whl", {"py3-none-any"}),
        ("six-1.0-py2.py3-none-any.whl", {"py2-none-any", "py3-none-any"}),
        ("x-1.0-1build-cp312-cp312-linux_x86_64.whl", {"cp312-cp312-linux_x86_64"}),
        ("odd.whl", set()),
    ],
)
def test_tags_are_read_from_names(name: str, tags: set[str]) -> None:
    assert tags_of(name) == tags

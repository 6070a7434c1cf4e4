"""The same environment for another processor, C library or Python: locked at the same versions."""

import os
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from batchio.core.recipe import Recipe
from batchio.errors import UsageError
from batchio.software import elsewhere as room
from batchio.software.cache import Cache
from batchio.software.capture import capture
from batchio.software.elsewhere import Elsewhere, Known, Target, elsewhere, known_of
from batchio.software.items import items_of
from batchio.software.packing import LARGE, pack
from batchio.software.uv import find_uv
from tests.software.environments import LIBRARY, MadeEnvironment, compiled
from tests.software.indexes import Index, make_wheel, serving
from tests.software.packed import Node, listed, runs

OWN = f"cp{sys.version_info[0]}{sys.version_info[1]}"
ARM = Target("3.12", "cpython-312-aarch64-linux-gnu", "python3.12", "aarch64", "glibc 2.36")


@pytest.fixture
def index() -> Iterator[Index]:
    """An index with a compiled package for several kinds, and one that only Python 3.99 needs."""
    with serving() as made:
        for tag in (f"{OWN}-{OWN}-manylinux_2_17_x86_64", "cp312-cp312-manylinux_2_28_aarch64"):
            files: dict[str, str | bytes] = {
                "native.py": f"WORD = {tag!r}",
                "big.bin": bytes(LARGE),
            }
            needs = ("plain>=1", "only-there; python_version < '3.99'")
            made.add(make_wheel("native", "1.0", files, tag, needs, "native-tool = native:main"))
        for version in ("1.0", "2.0"):
            made.add(make_wheel("plain", version, {"plain.py": f"WORD = 'plain {version}'"}))
        made.add(make_wheel("only_there", "1.0", {"only_there.py": ""}))
        made.add(make_wheel("only_here", "1.0", {"only_here.py": ""}))
        yield made


class User:
    """Somebody whose Python is 3.99, which no node has."""

    def __init__(self, root: Path, index: Index) -> None:
        self.made = MadeEnvironment(root / "venv")
        self.cache = Cache(root / "cache")
        self.index = index
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(root),
            "UV_CACHE_DIR": str(root / "uv"),
            "UV_DEFAULT_INDEX": index.url,
        }
        self.folder = str(root)
        for name in ("native", "plain"):
            wheel = {"WHEEL": "Tag: cp399-cp399-linux_x86_64\n"}
            info = {f"{name}-1.0.dist-info/{path}": text for path, text in wheel.items()}
            self.made.install(name, {f"{name}.py": "", **info})
        needs = "Name: native\nVersion: 1.0\nRequires-Dist: plain>=1\n"
        (self.made.site / "native-1.0.dist-info/METADATA").write_text(needs)
        self.made.install(
            "mine",
            {"mine.py": "WORD = 'mine'", "mine.bin": bytes(LARGE)},
            origin={
                "url": "file:///x",
                "dir_info": {},
            },
        )

    def packed(self) -> tuple[Recipe, list[Known]]:
        """Pack the environment as that of Python 3.99."""
        captured = capture(str(self.made.python), self.environ)
        abi = f"cpython-399-{os.uname().machine}-linux-gnu"
        captured = replace(captured, version="3.99.1", abi=abi, library="python3.99")
        items = items_of(captured, listed)
        recipe = replace(pack(captured, items, self.cache), interpreter=None)
        return recipe, known_of(captured, items)

    def elsewhere(self, target: Target) -> Elsewhere:
        uv = find_uv(self.environ, self.folder)
        assert uv
        recipe, known = self.packed()
        return elsewhere(recipe, known, target, uv, self.cache)


@pytest.fixture
def user(tmp_path: Path, index: Index) -> User:
    return User(tmp_path, index)


def test_a_node_with_another_python_gets_a_lock_of_its_own(user: User, tmp_path: Path) -> None:
    node = Node(tmp_path / "node", user.cache)
    recipe, _ = user.packed()
    said = node.call(recipe)
    assert said["refused"].startswith("it has no Python 3.99 (cpython-399-")
    target = Target(**said["target"])
    assert (target.abi, target.library) == (sysconfig.get_config_var("SOABI"), LIBRARY)

    made = user.elsewhere(target)
    here = LIBRARY.removeprefix("python")
    assert made.differences == (f"Python {here} instead of 3.99", "with only-there 1.0")
    environment = node.make(made.recipe)
    program = "import mine, native, only_there, plain; print(mine.WORD, native.WORD, plain.WORD)"
    printed = f"mine {OWN}-{OWN}-manylinux_2_17_x86_64 plain 1.0\n"
    assert runs(environment, "python", "-c", program) == printed
    large = "import mine; print(len(open(mine.__file__[:-2] + 'bin', 'rb').read()))"
    assert runs(environment, "python", "-c", large) == f"{LARGE}\n"
    assert (environment / "bin/native-tool").exists()


def test_another_processor_gets_its_own_wheels_and_needs_no_python_here(user: User) -> None:
    made = user.elsewhere(ARM)
    [native] = [package for package in made.recipe.packages if package.name == "native"]
    [digest, url] = user.cache.wheels(made.recipe)["native"]
    assert url.endswith("/native-1.0-cp312-cp312-manylinux_2_28_aarch64.whl")
    assert len(digest) == 64
    assert made.recipe.abi == ARM.abi
    places = {piece.into for piece in native.pieces} - {""}
    assert places == {"lib/python3.12/site-packages/big.bin"}
    [mine] = [package for package in made.recipe.packages if package.name == "mine"]
    assert "lib/python3.12/site-packages/mine.bin" in {piece.into for piece in mine.pieces}


def test_what_was_made_once_asks_nobody_again(user: User) -> None:
    first = user.elsewhere(ARM)
    user.index.asked.clear()
    user.environ["UV_CACHE_DIR"] += "2"
    assert user.elsewhere(ARM) == first
    assert user.index.asked == []


def test_what_a_node_would_need_and_no_index_has_is_told_in_uvs_words(user: User) -> None:
    user.made.install("rare", {"rare-1.0.dist-info/WHEEL": "Tag: py3-none-any\n", "rare.py": ""})
    with pytest.raises(UsageError) as caught:
        user.elsewhere(ARM)
    assert caught.value.message.startswith("no packages for Python 3.12, aarch64, glibc 2.36: ")
    assert "rare was not found in the package registry" in caught.value.message
    assert caught.value.hint == "leave out what is not needed there: --package-sync-ignore rare"


def test_own_code_that_was_compiled_stays_here(user: User) -> None:
    user.made.install("pkg", compiled("pkg"))
    with pytest.raises(UsageError, match=r"^pkg was compiled for cpython-399-.*_json.*[.]so\)"):
        user.elsewhere(ARM)


def test_a_password_is_in_nothing_that_was_made(user: User, tmp_path: Path) -> None:
    user.index.login = "alice:s3cret-word"
    user.environ["UV_DEFAULT_INDEX"] = user.index.private_url
    made = user.elsewhere(ARM)
    assert user.cache.wheels(made.recipe)["native"][1].startswith("http://127.0.0.1:")
    files = [path for path in user.cache.folder.rglob("*") if path.is_file()]
    assert not [path for path in files if b"s3cret" in path.read_bytes()]
    user.index.login = "alice:other-word"
    user.environ["UV_CACHE_DIR"] += "2"
    user.made.install("late", {"late-1.0.dist-info/WHEEL": "Tag: py3-none-any\n"})
    with pytest.raises(UsageError) as caught:
        user.elsewhere(ARM)
    assert "s3cret" not in caught.value.message
    assert "401 Unauthorized" in caught.value.message


@pytest.mark.parametrize(
    ("machine", "libc", "platform"),
    [
        ("x86_64", "glibc 2.36", "x86_64-manylinux_2_36"),
        ("x86_64", "glibc 2.45", "x86_64-manylinux_2_40"),
        ("aarch64", "glibc 2.30", "aarch64-manylinux_2_28"),
        ("x86_64", "musl", "x86_64-unknown-linux-musl"),
        ("x86_64", "glibc 2.12", ""),
        ("ppc64le", "glibc 2.36", ""),
    ],
)
def test_uvs_names_of_platforms(machine: str, libc: str, platform: str) -> None:
    target = ARM._replace(machine=machine, libc=libc)
    assert target.platform == platform
    assert ARM._replace(abi="cpython-313t-x86_64-linux-gnu").platform == ""


def test_packages_that_need_each_other_are_asked_for_all_the_same() -> None:
    def known(name: str, *requires: str) -> Known:
        return Known(name, "1", True, "", requires)

    circle = [known("a", "b"), known("B", "c"), known("c", "A"), known("top", "a"), known("alone")]
    assert list(room._roots(circle)) == ["alone", "top"]
    assert list(room._roots(circle[:3])) == ["a"]

"""Environments that uv makes here: of each kind of file, once and whole, or by a name."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from batchio.errors import UsageError
from batchio.software import made as room
from batchio.software.made import Source, create, delete, environment_of, named, source_of
from tests.software.environments import place
from tests.software.indexes import Index, make_wheel, serving
from tests.software.packed import age

PYTHON = os.path.realpath(__import__("sys").executable)

SCRIPT = '# /// script\n# requires-python = ">=3.8"\n# dependencies = ["plain==1.0"]\n# ///\n'


@pytest.fixture
def index() -> Iterator[Index]:
    with serving() as made:
        for number in ("1.0", "2.0"):
            made.add(make_wheel("plain", number, {"plain.py": f"WORD = {number!r}"}))
        yield made


@pytest.fixture
def environ(index: Index, tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "UV_CACHE_DIR": str(tmp_path / "uv"),
        "UV_DEFAULT_INDEX": index.url,
    }


def made_of(path: Path, environ: dict[str, str]) -> str:
    source = source_of(str(path))
    assert source
    return environment_of(source, PYTHON, environ)


def word(python: str) -> str:
    # -B: both versions are unpacked within a second, and bytecode knows its source by the second.
    argv = [python, "-B", "-c", "import plain; print(plain.WORD)"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


def test_each_kind_of_file_says_what_is_in_an_environment(
    environ: dict[str, str], tmp_path: Path, index: Index
) -> None:
    place(tmp_path / "a/requirements.txt", "plain==1.0\n")
    place(tmp_path / "a/script.py", f"{SCRIPT}import plain\n")
    project = '[project]\nname = "p"\nversion = "1"\nrequires-python = ">=3.8"\n'
    place(tmp_path / "a/pyproject.toml", f'{project}dependencies = ["plain==1.0"]\n')
    argv = [room._uv(Source(str(tmp_path / "a/x"), "lock", ""), environ).path]
    subprocess.run([*argv, "lock", "-q", "-p", PYTHON], cwd=tmp_path / "a", env=environ, check=True)
    argv += ["export", "-q", "--format", "pylock.toml", "-o", "pylock.toml", "-p", PYTHON]
    subprocess.run(argv, cwd=tmp_path / "a", env=environ, check=True)
    pythons = set()
    for name in ("requirements.txt", "script.py", "pyproject.toml", "uv.lock", "pylock.toml"):
        python = made_of(tmp_path / "a" / name, environ)
        assert word(python) == "1.0", name
        pythons.add(python)
    assert len(pythons) == 5


def test_what_has_not_changed_is_made_once_and_asks_nobody(
    environ: dict[str, str], tmp_path: Path, index: Index
) -> None:
    file = place(tmp_path / "requirements.txt", "plain<2\n")
    first = made_of(file, environ)
    index.asked.clear()
    assert made_of(file, environ) == first
    assert index.asked == []
    file.write_text("plain>=2\n")
    second = made_of(file, environ)
    assert (word(first), word(second)) == ("1.0", "2.0")


def test_what_nobody_has_used_for_long_goes(environ: dict[str, str], tmp_path: Path) -> None:
    first = Path(made_of(place(tmp_path / "a.txt", "plain==1.0\n"), environ)).parents[1]
    second = Path(made_of(place(tmp_path / "b.txt", "plain==1.0\n"), environ)).parents[1]
    for folder, days in ((first, 21), (second, 19)):
        age(folder / room.WHOLE, days * 86400)
    made_of(place(tmp_path / "c.txt", "plain==1.0\n"), environ)
    assert (first.exists(), second.exists()) == (False, True)


def test_a_file_that_another_one_names_counts(environ: dict[str, str], tmp_path: Path) -> None:
    file = place(tmp_path / "requirements.txt", "-r more.txt\n")
    more = place(tmp_path / "more.txt", "plain==1.0\n")
    assert word(made_of(file, environ)) == "1.0"
    more.write_text("plain==2.0\n")
    assert word(made_of(file, environ)) == "2.0"


def test_what_cannot_be_made_is_told_in_uvs_words_and_leaves_nothing_that_counts(
    environ: dict[str, str], tmp_path: Path, index: Index
) -> None:
    file = place(tmp_path / "requirements.txt", "plain==1.0\nrare\n")
    with pytest.raises(UsageError, match=r"^uv: [^e].* rare was not found") as refused:
        made_of(file, environ)
    assert "\n" not in str(refused.value)
    index.add(make_wheel("rare", "1.0", {"rare.py": ""}))
    environ["UV_CACHE_DIR"] += "2"
    assert word(made_of(file, environ)) == "1.0"


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("pylock.toml", "x = [", "is broken: "),
        ("pyproject.toml", "", "has no "),
        ("x.yaml", "", "says nothing of packages"),
        ("x.py", "# /// script\n# dependencies = [\n# ///\n", "is broken: "),
        ("gone.txt", None, "cannot read "),
    ],
)
def test_a_file_that_will_not_do_is_named(
    tmp_path: Path, name: str, text: str | None, why: str
) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError, match=why) as caught:
        source_of(str(path))
    assert str(path) in caught.value.message


def test_a_script_without_a_block_or_without_packages_says_nothing(tmp_path: Path) -> None:
    assert source_of(str(place(tmp_path / "a.py", "import os\n"))) is None
    empty = SCRIPT.replace('"plain==1.0"', "")
    assert source_of(str(place(tmp_path / "b.py", empty))) is None


def test_an_environment_with_a_name_stays_until_it_is_deleted(
    environ: dict[str, str], tmp_path: Path
) -> None:
    file = place(tmp_path / "requirements.txt", "plain==1.0\n")
    source = source_of(str(file))
    assert source
    made = create("mine", [source], PYTHON, environ)
    assert word(made.python) == "1.0"
    assert named("mine", environ) == made
    assert made.sources == (str(file),)
    file.write_text("plain==2.0\n")
    assert word(create("mine", [source], PYTHON, environ).python) == "2.0"
    delete("mine", environ)
    assert room.environments(environ) == []
    assert not made.folder.exists()
    with pytest.raises(UsageError, match='there is no environment called "mine"'):
        delete("mine", environ)
    with pytest.raises(UsageError, match="is no name of an environment"):
        create("../mine", [source], PYTHON, environ)

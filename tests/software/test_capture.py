"""What a Python finds is found, whatever has installed it, and travels as the files it imports."""

import os
import sys
from pathlib import Path

import pytest

from batchio.errors import UsageError
from batchio.software.capture import Captured, capture
from batchio.software.items import Items, SourceFile, items_of
from tests.software.environments import MadeEnvironment, compiled, place


@pytest.fixture
def made(tmp_path: Path) -> MadeEnvironment:
    return MadeEnvironment(tmp_path / "venv")


def listed(folder: str) -> list[SourceFile]:
    """All files below a folder."""
    return [
        SourceFile(str(path.relative_to(folder)), str(path), path.stat().st_size, 0, False)
        for path in Path(folder).rglob("*")
        if path.is_file()
    ]


def asked(made: MadeEnvironment, **variables: str) -> Captured:
    return capture(str(made.python), {"PATH": os.environ["PATH"], **variables})


def found(made: MadeEnvironment, *ignored: str, **variables: str) -> Items:
    return items_of(asked(made, **variables), listed, ignored)


def arrivals(items: Items, name: str) -> list[str]:
    return [file.arrival for item in items.items if item.name == name for file in item.files]


def test_a_python_says_what_it_is(made: MadeEnvironment) -> None:
    captured = asked(made)
    assert captured.version == ".".join(map(str, sys.version_info[:3]))
    assert captured.library == f"python{captured.minor}"
    assert captured.prefix == str(made.root)
    assert (captured.packages, captured.left, captured.conda) == ((), (), False)


def test_a_package_travels_as_it_is_installed(made: MadeEnvironment) -> None:
    made.install(
        "plain", {"plain/__init__.py": "", "plain/data.txt": "x"}, scripts="tool = plain:f"
    )
    place(made.site / "plain/__pycache__/x.cpython-311.pyc", "")
    place(made.site / "plain-1.0.dist-info/INSTALLER", "pip")
    assert arrivals(found(made), "plain") == [
        "plain/__init__.py",
        "plain/data.txt",
        "plain-1.0.dist-info/METADATA",
        "plain-1.0.dist-info/entry_points.txt",
    ]


def test_a_file_that_was_changed_by_hand_travels_changed(made: MadeEnvironment) -> None:
    made.install("plain", {"plain.py": "before"})
    (made.site / "plain.py").write_text("after all")
    place(made.site / "added.py", "by hand")
    items = found(made)
    assert [file.size for file in items.items[0].files][:1] == [len("after all")]
    assert arrivals(items, "files of no package") == ["added.py"]


def test_data_and_scripts_outside_of_site_packages_travel_as_in_a_wheel(
    made: MadeEnvironment,
) -> None:
    made.install(
        "plain", {"../../../share/man/x.1": "page", "../../../bin/old-script": "#!/bin/sh\n"}
    )
    assert arrivals(found(made), "plain")[:2] == [
        "plain-1.0.data/data/share/man/x.1",
        "plain-1.0.data/scripts/old-script",
    ]


def test_an_editable_project_travels_with_the_data_that_its_wheel_would_lack(
    made: MadeEnvironment, tmp_path: Path
) -> None:
    place(tmp_path / "project/src/mine/__init__.py", "")
    place(tmp_path / "project/src/mine/data.csv", "1")
    place(tmp_path / "project/src/mine.egg-info/PKG-INFO", "Name: mine\nVersion: 1.0\n\n")
    made.install_editable("mine", tmp_path / "project")
    items = found(made)
    [metadata, folder] = items.items
    assert [metadata.kind, folder.kind] == ["wheel", "folder"]
    assert not any(file.arrival.endswith(".pth") for file in metadata.files)
    assert {file.arrival for file in folder.files} >= {"mine/__init__.py", "mine/data.csv"}
    assert items.last == (folder.into,)


def test_an_editable_project_whose_modules_are_found_one_by_one_travels_with_those_alone(
    made: MadeEnvironment, tmp_path: Path
) -> None:
    project = tmp_path / "flat"
    place(project / "mine/__init__.py", "")
    place(project / "mine/table.txt", "1")
    place(project / "single.py", "")
    place(project / "secret.txt", "not of a package")
    for path, content in compiled("pkg").items():
        place(project / path, content)
    mapping = {"mine": f"{project}/mine", "single": f"{project}/single", "pkg": f"{project}/pkg"}
    made.install_mapped("flat", project, mapping)
    items = found(made)
    [folder] = [item for item in items.items if item.kind == "folder"]
    names = {file.arrival for file in folder.files}
    assert {"mine/__init__.py", "mine/table.txt", "single.py", "pkg/__init__.py"} < names
    assert not any("secret" in name for name in names)
    assert items.last == (folder.into,)


def test_an_editable_project_that_only_its_own_code_finds_is_left_out_and_named(
    made: MadeEnvironment,
) -> None:
    url = {"url": "file:///x", "dir_info": {"editable": True}}
    made.install("meson", {"meson.pth": "import _meson_loader", "_meson_loader.py": ""}, origin=url)
    items = found(made)
    assert items.items == ()
    assert [what for what, _ in items.left] == ["meson"]


def test_folders_on_the_path_of_python_stay_in_their_order(
    made: MadeEnvironment, tmp_path: Path
) -> None:
    for name in ("one with a blank", "two@3", "three"):
        place(tmp_path / name / "module.py", name)
    place(made.site / "mine.pth", f"{tmp_path / 'three'}\n")
    first = os.pathsep.join(str(tmp_path / name) for name in ("one with a blank", "two@3"))
    items = found(made, PYTHONPATH=first)
    assert [item.name for item in items.items] == ["one with a blank", "two@3", "three"]
    assert items.first == ("src/0-one-with-a-blank", "src/1-two-3")
    assert items.last == ("src/2-three",)


def test_the_first_of_two_packages_of_one_name_counts(
    made: MadeEnvironment, tmp_path: Path
) -> None:
    made.install("plain", {"plain.py": "x"}, "1.0")
    made.install("Plain", {"plain2.py": "x"}, "2.0")
    assert [item.version for item in found(made).items] == ["2.0"]


def test_a_line_that_runs_code_and_belongs_to_no_package_is_named(made: MadeEnvironment) -> None:
    place(made.site / "odd.pth", "import sys; sys.odd = 1\n")
    place(made.site / "_virtualenv.pth", "import _virtualenv\n")
    assert found(made).left == (
        (str(made.site / "odd.pth"), "it runs code, and belongs to no package"),
    )


def test_packages_can_be_left_out_by_any_spelling_of_their_name(
    made: MadeEnvironment, tmp_path: Path
) -> None:
    made.install("plain", {"plain.py": "x"})
    place(tmp_path / "project/src/my_mine/__init__.py", "")
    made.install_editable("my_mine", tmp_path / "project")
    assert found(made, "PLAIN", "My.Mine").items == ()


def test_names_that_are_not_utf_8_are_kept(made: MadeEnvironment) -> None:
    name = os.fsdecode(b"na\xefve.txt")
    made.install("plain", {f"plain/{name}": "x"}, record=False)
    items = found(made)
    assert f"plain/{name}" in arrivals(items, "files of no package")


@pytest.mark.parametrize(
    ("program", "why"),
    [
        (None, "cannot be run: No such file or directory"),
        ("echo old 3.7.9 >&2; exit 1", "is Python 3.7.9, and tasks need 3.8 or later"),
        ("echo broken >&2; exit 3", "cannot say which packages it has: broken"),
        ("exit 3", "cannot say which packages it has: exit code 3"),
        ("echo '{}'", "cannot say which packages it has: exit code 0"),
    ],
)
def test_a_python_that_cannot_be_asked_is_an_error_of_one_line(
    tmp_path: Path, program: str | None, why: str
) -> None:
    python = tmp_path / "python"
    if program is not None:
        python.write_text(f"#!/bin/sh\n{program}\n")
        python.chmod(0o755)
    with pytest.raises(UsageError) as refused:
        capture(str(python), {})
    assert str(refused.value) == f"{python} {why}"


def test_the_probe_is_understood_by_python_3_8(made: MadeEnvironment) -> None:
    import ast

    from batchio.software import probe

    ast.parse(Path(probe.__file__).read_text(), feature_version=(3, 8))

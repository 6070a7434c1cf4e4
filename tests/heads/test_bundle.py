"""The bundle of a head runs on a bare Python, and has nothing that fits another computer only."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib import metadata
from typing import TYPE_CHECKING

import pytest

import batchio.sync
from batchio.errors import UsageError
from batchio.heads import bundle
from batchio.heads.platform import Platform, fits, here, platform_of
from batchio.submit import prepare

if TYPE_CHECKING:
    from pathlib import Path

    from batchio.heads.bundle import Bundle


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The bundle for this computer, and a workspace on S3."""
    return bundle.bundle_for(here(), tmp_path_factory.mktemp("cache"), "s3")


@pytest.fixture(scope="module")
def unpacked(made: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("there") / "bundle"
    with tarfile.open(made.file) as tar:
        if hasattr(tarfile, "data_filter"):
            tar.extractall(folder, filter="data")
        else:  # Debian 12's Python has none
            tar.extractall(folder)
    return folder


def test_a_head_runs_from_its_bundle_with_nothing_else_on_its_path(
    unpacked: Path, workspace: Path, tmp_path: Path
) -> None:
    prepared = prepare(["sh", "-c", "echo done > out"], {"ntasks": 2})
    job = prepared.create()
    folder = tmp_path / "batchio-0" / f"head-{job}"
    folder.mkdir(parents=True)
    order = {
        "job": job, "workspace": str(workspace), "kind": "somewhere", "provider": "local",
        "hosts": [], "environ": {"HOME": str(tmp_path)}, "patience": 1.0,
        "secrets": str(tmp_path / "none"),
    }  # fmt: skip
    (folder / "order.json").write_text(json.dumps(order))
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(unpacked), str(folder)],
        input="{}\n",
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": "/nowhere"},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert batchio.sync.open_job(job).status().standing == "succeeded"
    assert not folder.exists()
    foreign = ("click", "rich", "pathspec", "pytest", "batchio/cli", "batchio/testing")
    assert not [name for name in foreign if (unpacked / name).exists()]


def test_for_s3_a_head_has_what_finds_credentials_and_little_else_of_it(unpacked: Path) -> None:
    services = [one.name for one in (unpacked / "botocore/data").iterdir() if one.is_dir()]
    assert {*services} - {"signin"} == {"sso", "sso-oidc", "sts"}  # signin: since botocore 1.41
    program = (
        f"import sys; sys.path.insert(0, {str(unpacked)!r}); "
        "from botocore.session import Session; s = Session(); "
        "s.create_client('sts', region_name='eu-west-1', aws_access_key_id='a', "
        "aws_secret_access_key='b'); print(s.get_credentials())"
    )
    environ = {"PATH": os.environ["PATH"], "AWS_EC2_METADATA_DISABLED": "true"}
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program],
        capture_output=True, text=True, check=False, env=environ,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("None\n", "")


def test_a_bundle_is_made_once_and_anew_when_batchio_is_another(
    made: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = made.file.parent
    monkeypatch.setattr(bundle, "_fill", None)  # nothing is collected again
    assert bundle.bundle_for(here(), cache, "s3") == made
    monkeypatch.setattr(bundle, "MAIN", "another")
    with pytest.raises(TypeError):
        bundle.bundle_for(here(), cache, "s3")
    assert [file.name for file in cache.iterdir()] == [made.file.name]


def test_modules_need_not_be_compiled_where_a_head_runs(unpacked: Path) -> None:
    modules = {file for file in unpacked.rglob("*.py")}
    compiled = {
        file.parent.parent / f"{file.name.partition('.')[0]}.py" for file in unpacked.rglob("*.pyc")
    }
    assert modules == compiled


@pytest.mark.parametrize(
    ("tag", "python", "machine", "libc", "runs"),
    [
        ("py3-none-any", "3.13", "aarch64", "", True),
        ("cp311-abi3-manylinux_2_34_x86_64", "3.13", "x86_64", "glibc 2.39", True),
        ("cp311-abi3-manylinux_2_34_x86_64", "3.13", "x86_64", "glibc 2.28", False),
        ("cp312-abi3-manylinux_2_17_x86_64", "3.11", "x86_64", "glibc 2.39", False),
        ("cp311-cp311-manylinux2014_x86_64", "3.11", "x86_64", "glibc 2.17", True),
        ("cp311-cp311-manylinux2014_x86_64", "3.12", "x86_64", "glibc 2.39", False),
        ("cp311-cp311-manylinux2014_x86_64", "3.11", "aarch64", "glibc 2.39", False),
        ("cp311-abi3-manylinux_2_17_x86_64", "3.11", "x86_64", "", False),
        ("cp311-abi3-musllinux_1_2_x86_64", "3.11", "x86_64", "", True),
        ("cp311-abi3-macosx_11_0_arm64", "3.11", "arm64", "glibc 2.39", False),
    ],
)
def test_a_library_is_copied_only_where_its_tag_says_that_it_runs(
    tag: str, python: str, machine: str, libc: str, runs: bool, tmp_path: Path
) -> None:
    info = tmp_path / "thing-1.dist-info"
    info.mkdir()
    (info / "WHEEL").write_text(f"Wheel-Version: 1.0\nTag: {tag}\n")
    found = metadata.PathDistribution(info)
    assert fits(found, platform_of(python, machine, libc)) is runs


def test_libraries_for_another_computer_are_fetched_as_wheels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Platform("3.12", "aarch64", "glibc", (2, 28))
    for name in bundle.ROOTS:
        _wheel(tmp_path / "index", name, "cp311-abi3-manylinux_2_28_aarch64", "for aarch64")
        _wheel(tmp_path / "index", name, "cp311-abi3-manylinux_2_39_aarch64", "too new")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    made = bundle.bundle_for(there, tmp_path / "cache")
    with tarfile.open(made.file) as tar:
        names = tar.getnames()
        texts = {tar.extractfile(f"{name}/__init__.py").read() for name in bundle.ROOTS}  # type: ignore[union-attr]
    assert texts == {b"'for aarch64'"}
    assert "batchio/heads/there.py" in names
    assert not [name for name in names if name.endswith(".pyc")]


def test_where_no_wheel_fits_the_error_says_what_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(UsageError, match=r"Python 3\.12, riscv64, musl 1\.2 cannot be fetched"):
        bundle.bundle_for(platform_of("3.12", "riscv64", ""), tmp_path)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr("batchio.heads.wheels.find_spec", lambda _: None)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(UsageError, match="neither pip nor uv"):
        bundle.bundle_for(platform_of("3.12", "riscv64", ""), tmp_path)


@pytest.mark.parametrize(
    ("libc", "machine", "named"),
    [
        ("glibc 2.17", "x86_64", "x86_64-manylinux_2_17"),
        ("glibc 2.30", "x86_64", "x86_64-manylinux_2_28"),
        ("glibc 2.36", "aarch64", "aarch64-manylinux_2_36"),
        ("glibc 2.41", "x86_64", "x86_64-manylinux_2_40"),
        ("", "x86_64", "x86_64-unknown-linux-musl"),
    ],
)
def test_without_pip_uv_is_asked_for_a_platform_that_it_knows(
    libc: str, machine: str, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def refuse(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        said = "error: No solution found\n  cause: Because there are no wheels\n"
        return subprocess.CompletedProcess(command, 1, "", said)

    monkeypatch.setattr("batchio.heads.wheels.find_spec", lambda _: None)
    monkeypatch.setattr(shutil, "which", lambda _: "uv")
    monkeypatch.setattr(subprocess, "run", refuse)
    with pytest.raises(UsageError, match=r"cannot be fetched: Because there are no wheels$"):
        bundle.bundle_for(platform_of("3.13", machine, libc), tmp_path)
    [command] = asked
    assert f"--python-platform={named}" in command


def _wheel(folder: Path, name: str, tag: str, text: str) -> None:
    """A wheel of the version that is installed here, with one module in it."""
    folder.mkdir(exist_ok=True)
    version = metadata.version(name)
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-{tag}.whl", "w") as wheel:
        wheel.writestr(f"{name}/__init__.py", repr(text))
        wheel.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        wheel.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n")
        wheel.writestr(f"{info}/RECORD", "")

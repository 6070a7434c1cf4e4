"""Files that are hard to send: odd names, links, nothing at all, and very many of them."""

import os
from pathlib import Path

import pytest

import batchio
from tests.e2e.conftest import MakeHosts
from tests.e2e.watching import nothing_left
from tests.testbed.client import Lab

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("workspace")]

NAMES = [b"a blank ", b"new\nline", b"no\xff\xfeutf-8", b"-dash", b"caf\xc3\xa9", b"*?[", b"'\"\\"]


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a folder `odd` of everything that a folder may hold."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "odd"
    (folder / "a folder" / "empty").mkdir(parents=True)
    for name in NAMES:
        (folder / os.fsdecode(name)).write_bytes(name)
    (folder / "nothing").touch()
    (folder / "tool").write_text("#!/bin/sh\necho ran\n")
    (folder / "tool").chmod(0o750)
    (folder / "link").symlink_to("nothing")
    (folder / "folder-link").symlink_to("a folder")
    (tmp_path / "elsewhere").write_text("behind a link\n")
    (folder / "away").symlink_to(tmp_path / "elsewhere")
    return folder


async def test_a_folder_of_odd_files_arrives_with_what_its_links_point_at(
    hosts: MakeHosts, lab: Lab, odd: Path
) -> None:
    [vm] = hosts()
    look = (
        "cd odd && ./tool && test -d 'a folder/empty' -a -d folder-link/empty && "
        "stat -c '%a %F' tool link && cat away"
    )
    compare = "import os, sys; sys.exit(not all(open(n, 'rb').read() == n for n in NAMES))"
    program = compare.replace("NAMES", repr(NAMES))
    job = await batchio.run(
        ["sh", "-c", f'{look} && python3 -c "$0" && echo same', program],
        hosts=[vm.name], upload="odd",
    )  # fmt: skip
    await job.wait(timeout=60)

    lines = [line.text async for line in job.logs()]
    kinds = ["755 regular file", "644 regular empty file"]
    assert lines == ["ran", *kinds, "behind a link", "same"]
    assert nothing_left(lab, vm)


async def test_odd_names_and_links_come_back_and_what_was_sent_does_not(
    hosts: MakeHosts, lab: Lab, odd: Path, tmp_path: Path
) -> None:
    """`--sync`: what changed comes back to its place, and links below the task's id."""
    [vm] = hosts()
    make = (
        "import os; os.mkdir('made')\n"
        f"for name in {NAMES!r}:\n    open(b'made/' + name, 'wb').write(name)\n"
        "open('made/nothing', 'w'); os.symlink('nothing', 'made/link')\n"
        "os.symlink('/etc/passwd', 'made/away'); os.symlink('nowhere', 'made/broken')\n"
        "open('nothing', 'w').write('changed'); os.remove('tool')"
    )
    job = await batchio.run(["python3", "-c", make], hosts=[vm.name], sync="odd")
    await job.wait(timeout=60, check=True)

    made = os.fsencode(odd / "made")
    assert sorted(os.listdir(made)) == sorted([*NAMES, b"nothing"])
    for name in NAMES:
        assert Path(os.fsdecode(made + b"/" + name)).read_bytes() == name
    links = {name: os.readlink(odd / "0/made" / name) for name in ("link", "away", "broken")}
    assert links == {"link": "nothing", "away": "/etc/passwd", "broken": "nowhere"}
    assert (odd / "nothing").read_text() == "changed"
    assert (odd / "tool").exists()


async def test_two_thousand_files_of_two_tasks_come_back(
    hosts: MakeHosts, lab: Lab, tmp_path: Path
) -> None:
    [vm] = hosts()
    make = "for i in range(2000): open(f'f{i}', 'w').write(str(i))"
    job = await batchio.run(
        ["python3", "-c", make], ntasks=2, hosts=[vm.name], download=str(tmp_path / "back"),
        pipe_to_files=True,
    )  # fmt: skip
    await job.wait(timeout=90, check=True)

    for task in "01":
        found = {path.name: path.read_text() for path in (tmp_path / "back" / task).iterdir()}
        printed_too = {f"task-{task}.out": "", f"task-{task}.err": ""}
        assert found == {f"f{i}": str(i) for i in range(2000)} | printed_too
    assert nothing_left(lab, vm)


async def test_a_pipe_is_left_out_and_that_is_said(odd: Path) -> None:
    os.mkfifo(odd / "pipe")
    plan = await batchio.plan(["true"], upload="odd", hosts=["nowhere"])

    assert plan.warnings == ("odd/pipe was not sent: it is neither a file nor a folder",)
    assert "odd/pipe" not in plan.files

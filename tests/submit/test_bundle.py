"""Which files travel, under which path, and what is refused."""

from __future__ import annotations

import io
import os
import socket
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from batchio.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.submit.conftest import Caller


def packed(caller: Caller, *words: str, **options: Any) -> dict[str, bytes]:
    """What arrives: the path and content of every file of the bundle."""
    prepared = caller.typed(*words, **options)
    job = prepared.create()
    out: dict[str, bytes] = {}
    with tarfile.open(prepared.workspace.job(job).bundle()) as tar:
        for member in tar:
            file = tar.extractfile(member)
            out[member.name] = b"" if file is None else file.read()
    return out


def refusal(caller: Caller, **options: Any) -> str:
    with pytest.raises(UsageError) as refused:
        caller.called(["true"], **options)
    return str(refused.value)


def test_the_script_and_what_it_names_travel(caller: Caller) -> None:
    caller.file("tools/work.py", "code")
    caller.file("in/a.csv", "a")
    caller.file("other.csv", "not named")
    assert packed(caller, "tools/work.py", "in/a.csv", "--flag") == {
        "tools/work.py": b"code",
        "in/a.csv": b"a",
    }
    assert packed(caller, "tools/work.py", "in/a.csv", implicit_upload=False) == {
        "tools/work.py": b"code"
    }


def test_what_came_back_the_last_time_is_not_sent_again_and_that_is_said(caller: Caller) -> None:
    caller.file("work.sh", "code")
    caller.file("results/0/out", "large")
    sent = packed(caller, "true", upload=["."], download="results")
    prepared = caller.typed("true", upload=["."], download="results")

    assert sent == {"work.sh": b"code"}
    assert "results was not sent: it is the folder of --download" in prepared.warnings
    everything = {"work.sh": b"code", "results/0/out": b"large"}
    assert packed(caller, "true", upload=["."]) == everything
    assert packed(caller, "true", sync=".") == everything
    assert packed(caller, "true", upload=["results"], download="results") == {
        "results/0/out": b"large"
    }


def test_modes_travel_and_a_script_with_a_shebang_can_be_run(caller: Caller) -> None:
    caller.file("work.sh", "#!/bin/sh\n", 0o600)
    caller.file("bin/tool", "x", 0o700)
    prepared = caller.typed("./work.sh", upload=["bin"])
    job = prepared.create()
    with tarfile.open(prepared.workspace.job(job).bundle()) as tar:
        modes = {member.name: member.mode for member in tar}
    assert modes == {"work.sh": 0o755, "bin/tool": 0o755}
    assert modes == {file.path: file.mode for file in prepared.spec.files}


def test_a_script_given_as_text_is_a_file_that_runs(caller: Caller) -> None:
    prepared = caller.called("#!/bin/sh\necho hi\n")
    job = prepared.create()
    with tarfile.open(prepared.workspace.job(job).bundle()) as tar:
        assert tar.getnames() == ["script"]
        assert tar.getmember("script").mode == 0o755


def test_nothing_travels_with_a_bare_program(caller: Caller) -> None:
    prepared = caller.typed("echo", "hi")
    job = prepared.create()
    assert (prepared.sends, prepared.spec.bundle) == ("", None)
    assert not (prepared.workspace.job(job).bundle()).exists()


def test_a_folder_keeps_its_relative_path(caller: Caller) -> None:
    caller.file("data/x.txt", "x")
    caller.file("data/deep/y.txt", "y")
    expected = {"data/x.txt": b"x", "data/deep/y.txt": b"y"}
    for spelled in ("data", "./data", str(caller.folder / "data")):
        assert expected == packed(caller, "true", upload=[spelled])
    assert packed(caller, "true", upload=["data/deep"]) == {"data/deep/y.txt": b"y"}


def test_of_a_folder_with_a_slash_behind_it_only_what_is_in_it_arrives(caller: Caller) -> None:
    caller.file("data/x.txt", "x")
    caller.file("data/deep/y.txt", "y")
    inside = {"x.txt": b"x", "deep/y.txt": b"y"}
    assert (
        caller.refused("true", upload=["data/x.txt/"])[0] == "--upload: data/x.txt is not a folder"
    )
    for spelled in ("data/", "./data//", f"{caller.folder}/data/", "../project/data/"):
        assert inside == packed(caller, "true", upload=[spelled])
    assert packed(caller, "true", upload=["data/deep/", "data"]) == {
        "y.txt": b"y",
        "data/x.txt": b"x",
        "data/deep/y.txt": b"y",
    }
    assert inside == packed(caller, "true", sync="data") == packed(caller, "true", sync="data/")


def test_what_is_written_for_coiled_means_what_it_means_there(caller: Caller) -> None:
    caller.file("data/x.txt", "x")
    caller.file("one/y.txt", "y")
    script = "#!/bin/sh\n# {} upload data\n# {} upload one/y.txt\n"
    for tag, sent in (
        ("COILED", {"x.txt": b"x", "y.txt": b"y"}),
        ("BATCHIO", {"data/x.txt": b"x", "one/y.txt": b"y"}),
    ):
        caller.file("../work.sh", script.format(tag, tag))
        arrived = packed(caller, "../work.sh")
        assert arrived.pop("work.sh")
        assert arrived == sent
    caller.environ["BATCHIO_UPLOAD"] = "data"
    assert caller.typed("true").plan().files == ("data/x.txt",)
    assert caller.called("ls", local_upload_path="data").plan().files == ("x.txt",)
    assert caller.called("ls", upload="data").plan().files == ("data/x.txt",)
    both = {"local_upload_path": ["data", "one/y.txt"], "upload": "data"}
    assert caller.called("ls", **both).plan().files == ("x.txt", "y.txt", "data/x.txt")


def test_the_current_folder_travels_whole(caller: Caller) -> None:
    caller.file("a.txt", "a")
    caller.file("data/x.txt", "x")
    assert packed(caller, "true", upload=["."]) == {"a.txt": b"a", "data/x.txt": b"x"}


def test_what_is_outside_arrives_under_its_base_name(caller: Caller) -> None:
    caller.file("../elsewhere/set/x.txt", "x")
    caller.file("../single.txt", "s")
    uploads = ["../elsewhere/set", "../single.txt"]
    assert packed(caller, "true", upload=uploads) == {"set/x.txt": b"x", "single.txt": b"s"}


def test_a_tilde_is_the_home_folder(caller: Caller) -> None:
    caller.file("../notes.txt", "n")
    assert packed(caller, "true", upload=["~/notes.txt"]) == {"notes.txt": b"n"}


def test_empty_folders_travel(caller: Caller) -> None:
    (caller.folder / "data" / "out").mkdir(parents=True)
    caller.file("data/x.txt", "x")
    assert packed(caller, "true", upload=["data"]) == {"data/out": b"", "data/x.txt": b"x"}


def test_buffers_of_python_travel(caller: Caller) -> None:
    read_already = io.BytesIO(b"hello")
    read_already.read()
    prepared = caller.called(
        "cat hello.txt",
        buffers_to_upload=[
            {"relative_path": "hello.txt", "buffer": read_already},
            {"relative_path": "deep/raw", "buffer": b"raw"},
        ],
    )
    assert prepared.sends == "hello.txt, deep/raw (2 files, 8 B)"


def test_ignore_files_are_obeyed_at_every_depth(caller: Caller) -> None:
    caller.file("p/.gitignore", "*.log\n/build/\n")
    caller.file("p/.batchioignore", "!keep.log\nsecret.txt\n")
    caller.file("p/sub/.gitignore", "!deep.log\n")
    kept = ("p/keep.log", "p/sub/deep.log", "p/sub/build/x", "p/src/a.py")
    left = ("p/a.log", "p/build/x", "p/secret.txt", "p/sub/b.log")
    for path in (*kept, *left):
        caller.file(path)
    own = {"p/.gitignore", "p/.batchioignore", "p/sub/.gitignore"}
    assert {*kept, *own} == packed(caller, "true", upload=["p"]).keys()


def test_some_folders_never_travel_unless_they_are_named(caller: Caller) -> None:
    for path in (".git/HEAD", "__pycache__/x.pyc", ".venv/bin/python", "sub/__pycache__/y", "a"):
        caller.file(path)
    assert packed(caller, "true", upload=["."]).keys() == {"a"}
    assert packed(caller, "true", upload=["__pycache__"]).keys() == {"__pycache__/x.pyc"}


def test_the_workspace_does_not_travel_with_the_folder_it_is_in(caller: Caller) -> None:
    caller.environ["BATCHIO_WORKSPACE"] = "jobs-here"
    caller.file("a")
    assert packed(caller, "true", upload=["."]).keys() == {"a"}
    assert packed(caller, "true", upload=["."]).keys() == {"a"}


def test_links_travel_as_what_they_point_to(caller: Caller) -> None:
    caller.file("../real/x", "content")
    (caller.folder / "data").mkdir()
    (caller.folder / "data/folder").symlink_to(caller.folder.parent / "real")
    (caller.folder / "data/file").symlink_to("folder/x")
    assert packed(caller, "true", upload=["data"]) == {
        "data/file": b"content",
        "data/folder/x": b"content",
    }


def test_what_is_no_file_is_left_behind_and_told(caller: Caller) -> None:
    caller.file("data/x")
    os.mkfifo(caller.folder / "data/pipe")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind("data/socket")
    listening.close()
    prepared = caller.typed("true", upload=["data"])
    assert prepared.plan().files == ("data/x",)
    assert prepared.warnings == [
        "data/pipe was not sent: it is neither a file nor a folder",
        "data/socket was not sent: it is neither a file nor a folder",
    ]


def test_one_file_named_twice_travels_once(caller: Caller) -> None:
    caller.file("work.py", "x")
    assert packed(caller, "work.py", "./work.py", upload=[".", "work.py"]) == {"work.py": b"x"}


def test_equal_files_make_an_equal_digest(caller: Caller) -> None:
    caller.file("work.py", "x")
    digests = []
    for _ in range(2):
        prepared = caller.typed("work.py")
        prepared.create()
        digests.append(prepared.spec.bundle)
    caller.file("work.py", "y")
    changed = caller.typed("work.py")
    changed.create()
    assert digests[0] == digests[1]
    assert changed.spec.bundle not in digests


def test_many_files_are_described_by_a_few(caller: Caller) -> None:
    for number in range(6):
        caller.file(f"d/{number}", b"x" * 512)
    expected = "d/0, d/1, d/2 and 3 more (6 files, 3 KiB)"
    assert expected == caller.typed("true", upload=["d"]).sends


# --- refusals ------------------------------------------------------------------------


def test_an_upload_that_does_not_exist(caller: Caller) -> None:
    told = caller.refused("true", upload=["dta"])
    assert told == ("--upload: no such file or folder: dta", None)
    caller.file("work.sh", "#!/bin/sh\n# BATCHIO upload dta\n")
    assert caller.refused("work.sh")[0] == "work.sh:2: upload: no such file or folder: dta"


def test_two_files_of_one_arrival(caller: Caller) -> None:
    caller.file("../one/x.txt")
    caller.file("../two/x.txt")
    assert caller.refused("true", upload=["../one/x.txt", "../two/x.txt"]) == (
        "--upload: ../one/x.txt and ../two/x.txt would both be copied to x.txt",
        "rename one of them, or upload only one",
    )


def test_a_buffer_over_a_file(caller: Caller) -> None:
    caller.file("x.txt")
    buffers = [{"relative_path": "x.txt", "buffer": b""}]
    said = refusal(caller, buffers_to_upload=buffers, local_upload_path="x.txt")
    assert said == 'x.txt and the buffer "x.txt" would both be copied to x.txt'


def test_a_file_where_a_folder_must_be(caller: Caller) -> None:
    caller.file("data/x")
    buffers = [{"relative_path": "data", "buffer": b""}]
    said = refusal(caller, buffers_to_upload=buffers, upload="data")
    assert said == 'the buffer "data" would be copied to data, and data/x below it'


@pytest.mark.parametrize("path", ["", ".", "/etc/x", "../x", "a/../../x"])
def test_a_buffer_that_would_escape(caller: Caller, path: str) -> None:
    said = refusal(caller, buffers_to_upload=[{"relative_path": path, "buffer": b""}])
    place = "buffers_to_upload: item 1"
    assert f'{place}: "{path}" is not a path below the working directory' == said


def test_a_buffer_that_is_none(caller: Caller) -> None:
    said = refusal(caller, buffers_to_upload=[{"relative_path": "x"}])
    assert said == "buffers_to_upload: item 1: not a dictionary with relative_path and buffer"
    said = refusal(caller, buffers_to_upload=[{"relative_path": "x", "buffer": io.StringIO("x")}])
    assert said == "buffers_to_upload: item 1: str is not bytes"


def test_a_link_that_leads_nowhere(caller: Caller) -> None:
    caller.file("data/x")
    (caller.folder / "data/gone").symlink_to("nowhere")
    (caller.folder / "script.sh").symlink_to("nope")
    assert caller.refused("true", upload=["data"]) == (
        "--upload: data/gone is a link to nowhere, which does not exist",
        "remove it, or list it in .batchioignore",
    )
    for word in ("./script.sh", "script.sh"):
        assert caller.refused(word)[0] == f"{word} is a link to nope, which does not exist"
    told = caller.refused("true", upload=["data/gone"])[0]
    assert told == "--upload: data/gone is a link to nowhere, which does not exist"
    caller.file("data/.batchioignore", "gone\n")
    assert "data/gone" not in packed(caller, "true", upload=["data"])


def test_a_link_that_leads_to_itself(caller: Caller) -> None:
    caller.file("data/x")
    (caller.folder / "data/self").symlink_to("self")
    told = caller.refused("true", upload=["data"])[0]
    assert told == "--upload: data/self is a link to self, which links back to it"


def test_a_link_to_a_folder_above_it_stays_and_that_is_said(caller: Caller) -> None:
    caller.file("data/x", "x")
    caller.file("more/y", "y")
    (caller.folder / "data/again").symlink_to(".")
    (caller.folder / "data/more").symlink_to("../more")
    (caller.folder / "more/back").symlink_to("../data")
    assert packed(caller, "true", upload=["data"]) == {"data/x": b"x", "data/more/y": b"y"}
    assert caller.typed("true", upload=["data"]).warnings == [
        "data/again was not sent: it is a link to ., a folder that contains it",
        "data/more/back was not sent: it is a link to ../data, a folder that contains it",
    ]


@pytest.mark.parametrize("size", [5, 2 << 20], ids=["small", "large"])
def test_a_file_that_grows_is_sent_as_long_as_it_was(
    caller: Caller, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    log = caller.file("app.log", b"first")
    prepared = caller.typed("true", upload=["app.log"])
    caller.file("app.log", b"x" * size)
    read = os.read

    def slowly(file: int, most: int) -> bytes:
        """Read while the program that is logging goes on."""
        with log.open("ab") as more:
            more.write(b"more")
        return read(file, most)

    monkeypatch.setattr(os, "read", slowly)
    job = prepared.create()
    monkeypatch.undo()

    with tarfile.open(prepared.workspace.job(job).bundle()) as tar:
        sent = tar.extractfile("app.log")
        assert sent
        assert sent.read() == b"x" * size
    [said] = prepared.warnings
    assert said.startswith("app.log grew while batchio read it: only its first ")
    assert [file.size for file in prepared.spec.files] == [size]


def test_a_file_that_becomes_shorter_is_refused(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller.file("app.log", b"first")
    prepared = caller.typed("true", upload=["app.log"])
    monkeypatch.setattr(os, "read", lambda *_: b"")
    with pytest.raises(UsageError, match=r"app\.log became shorter while batchio read it"):
        prepared.create()


def test_a_file_that_cannot_be_read(nobody: Caller) -> None:
    secret = nobody.folder / "data" / "secret"
    was = os.geteuid()
    os.seteuid(os.getuid())
    try:
        nobody.file("data/secret", "x", 0)
    finally:
        os.seteuid(was)
    assert secret.exists()
    told = nobody.refused("true", upload=["data"])[0]
    assert told == "--upload: cannot read data/secret: Permission denied"


def test_a_file_that_goes_away(caller: Caller) -> None:
    path: Path = caller.file("work.py")
    prepared = caller.typed("work.py")
    path.unlink()
    with pytest.raises(UsageError) as refused:
        prepared.create()
    assert str(refused.value) == "no such file: work.py"
    assert caller.left_behind() == []

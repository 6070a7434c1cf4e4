"""Checks of the options of `run`, one by one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.conformance.checks import row

if TYPE_CHECKING:
    from tests.conformance.person import Person


@row("R:--name", "S1")
def names(person: Person) -> None:
    for name in ("one", "../x y"):
        person.type("run", "--wait", "--name", name, "true")
        job = person.read("status", name, "--format", "json")
        assert job["name"] == name
        assert person.read("status", job["id"], "--format", "json")["id"] == job["id"]
    assert "the value is empty" in person.type("run", "--name", "", "true", code=2).err


@row("R:--workspace", "S2", "L1", "T2", "G:2")
def workspaces(person: Person) -> None:
    place = ("--workspace", "mine")
    job = person.type("run", *place, "--", "echo", "hi").out.strip()
    person.type("wait", *place, job)
    assert person.jobs() == []
    for words in (["status", job], ["list"], ["logs", job]):
        assert person.type(*words, *place).out
    assert "hi" in person.type("logs", job, "--account", "mine").out


@row("G2", "R:--software")
def software(person: Person) -> None:
    said = person.refuses("--software", "env1", "true")
    assert '--software: there is no file and no environment called "env1"' in said
    assert "--ignore software" in said
    person.file("nothing.txt", "")
    line = 'import os, sys; print(sys.prefix == os.environ["VIRTUAL_ENV"] != "")'
    said_by = person.prints("--software", "nothing.txt", "python", "-c", line)
    assert said_by == ["True"]


@row("R:--ignore-container-entrypoint", "R:--run-on-host")
def value_forms(person: Person) -> None:
    for option in ("--ignore-container-entrypoint", "--run-on-host"):
        for words, value in (([option], "yes"), ([option, "true"], "yes"), ([option, "no"], "no")):
            plan = person.plans(*words, "date")
            assert {"option": option[2:], "value": value, "origin": "command line"} in plan[
                "options"
            ]


@row("R:--env")
def env(person: Person) -> None:
    person.env |= {"MINE": "1", "OTHER": "2"}
    words = ("-e", "MINE", "--env", "A=$OTHER", "--env", "B=x", "--env", "B=y")
    assert person.prints(*words, "--shell", "echo $MINE $A $B") == ["1 2 y"]
    assert "NOPE has no value" in person.type("run", "--env", "NOPE", "true", code=2).err


@row("R:--secret-env", "R:--secret-env-file")
def secrets(person: Person) -> None:
    person.file("s.env", "B='hunter3'\n")
    words = ("--secret-env", "A=hunter2", "--secret-env-file", "s.env", "--wait", "--shell")
    person.type("run", *words, 'test "${#A} ${#B}" = "7 7"')
    kept = Path(person.env["BATCHIO_WORKSPACE"]).rglob("*")
    assert not any(b"hunter" in path.read_bytes() for path in kept if path.is_file())


@row("R:--env-file")
def env_files(person: Person) -> None:
    person.file("a.env", "# a\nexport A='1'\nB=1\n")
    person.file("b.env", 'B="2\n3"\n')
    words = ("--env-file", "a.env", "--env-file", "b.env", "--shell", 'echo $A "$B" | tr "\\n" -')
    assert person.prints(*words) == ["1 2-3-"]


@row("R:--tag")
def tags(person: Person) -> None:
    plan = person.plans("-t", "a=b", "--tag", "c=d e", "true")
    assert {"option": "tag", "value": "a=b, c=d e", "origin": "command line"} in plan["options"]


@row("R:--arm", "R:--cpu", "R:--gpu")
def hardware(person: Person) -> None:
    if person.hosts:
        for words in (["--cpu", "9999"], ["--gpu"]):
            person.type("run", "--wait", *words, "true", code=3)
        return
    assert "--cpu: a task needs 9999 CPUs" in person.refuses("--cpu", "9999", "true")
    for form in ("1", "0.5", "1-8"):
        person.plans("--cpu", form, "true")
    import os

    if not os.uname().machine.startswith(("arm", "aarch")):
        assert "an ARM processor, but this one is" in person.refuses("--arm", "true")
    if not os.path.exists("/proc/driver/nvidia/gpus"):
        assert "--gpu: a task needs 1 GPU, but there are 0" in person.refuses("--gpu", "true")


@row(
    "R:--scheduler-vm-type", "R:--region", "R:--spot-policy", "R:--allow-cross-zone",
    "R:--disk-size", "R:--allow-ssh-from",
    "R:--package-sync-conda-extras", "R:--dask-container",
)  # fmt: skip
def placed(person: Person) -> None:
    for words in (
        ["--scheduler-vm-type", "t3.large"],
        ["--region", "north"],
        ["--spot-policy", "spot_with_fallback"],
        ["--no-cross-zone"],
        ["--disk-size", "100"],
        ["--allow-ssh-from", "me"],
        ["--package-sync-conda-extras", "a,b"],
        ["--dask-container", "daskdev/dask"],
    ):
        said = person.type("run", "--dry-run", *words, "true").err
        assert f"warning: {words[0]}" in said
        assert "(command line): ignored, " in said
    assert "is not one of" in person.refuses("--spot-policy", "cheap", "true")


@row("R:--package-sync-strict")
def exact_packages(person: Person) -> None:
    said = person.type("run", "--dry-run", "--package-sync-strict", "true").err
    assert ("--package-sync-strict (command line): ignored, " in said) is not bool(person.hosts)


@row("R:--package-sync-ignore")
def fewer_packages(person: Person) -> None:
    ignored = ["--package-sync", "--package-sync-ignore", "c"]
    said = person.type("run", "--dry-run", *ignored, "true").err
    if person.hosts:
        assert "warning: --package-sync-ignore c: there is no such package" in said
    else:
        assert "warning: --package-sync-ignore c (command line): ignored, " in said


@row("R:--input-filestore")
def one_computer(person: Person) -> None:
    assert "--input-filestore" in person.warns("--input-filestore", "foo", "true")


@row("R:--task-on-scheduler", "R:--no-task-on-scheduler", "R:--scheduler-task-array")
def on_the_scheduler(person: Person) -> None:
    for words, wanted in (
        (["--task-on-scheduler"], {"0": "scheduler"}),
        (["--no-task-on-scheduler"], dict.fromkeys("0123", "worker")),
        (["--scheduler-task-array", "1,3"], {"1": "scheduler", "3": "scheduler"}),
    ):
        if not person.hosts:
            assert words[0] in person.warns("--ntasks", "4", *words, "true")
            continue
        words += ["--ntasks", "4", "--slots", "1", "--wait-for-ready-cluster"]
        line = "echo $COILED_BATCH_TASK_ID $COILED_BATCH_PROCESS_TYPE; sleep 0.1"
        kinds = dict(line.split() for line in person.prints(*words, "--shell", line))
        assert kinds.items() >= wanted.items()


@row("R:--wait")
def waits(person: Person) -> None:
    person.type("run", "--wait", "true")
    person.type("run", "--wait", "false", code=1)


@row("R:--upload")
def uploads(person: Person) -> None:
    person.file("data/a.txt", "A\n")
    assert person.prints("--upload", "data", "--", "cat", "data/a.txt") == ["A"]
    assert person.prints("--upload", "data/", "--", "cat", "a.txt") == ["A"]
    person.file("s.sh", "# COILED upload data\ncat a.txt\n")
    assert person.prints("s.sh") == ["A"]


@row("R:--download", "R:--pipe-to-files", "T3")
def downloads(person: Person) -> None:
    words = ("--pipe-to-files", "--ntasks", "2", "--shell", "echo hi; echo $BATCHIO_TASK_ID >o")
    person.type("run", "--wait", "--download", "out", *words)
    assert (person.folder / "out/1/o").read_text() == "1\n"
    assert any(path.read_text() == "hi\n" for path in (person.folder / "out").rglob("*.out"))
    job = person.type("run", *words).out.strip()
    person.type("wait", job, "--download", "later")
    assert (person.folder / "later/0/o").read_text() == "0\n"


@row("R:--sync")
def syncs(person: Person) -> None:
    person.file("both/in.txt", "1\n")
    person.type("run", "--wait", "--sync", "both", "--shell", "find . -name in.txt | grep . >o")
    assert any(path.name == "o" for path in (person.folder / "both").rglob("*"))


@row("R:--output-filestore")
def stores(person: Person) -> None:
    url = (person.folder / "stored").as_uri()
    person.type("run", "--wait", "--output-filestore", url, "--shell", "echo 1 >o")
    [job] = (person.folder / "stored").iterdir()
    assert (job / "0" / "o").read_text() == "1\n"
    assert "is not the URL of a file store" in person.refuses("--output-filestore", "x", "true")


@row("R:--scheduler-sidecar-spec")
def not_here(person: Person) -> None:
    said = person.refuses("--scheduler-sidecar-spec", "x", "true")
    assert "--scheduler-sidecar-spec: " in said
    assert "--ignore scheduler-sidecar-spec" in said


@row("R:--ntasks")
def task_counts(person: Person) -> None:
    for option in ("--ntasks", "--n-tasks"):
        assert person.plans(option, "3", "true")["tasks"] == 3
        for wrong in ("0", "-3", "1e3", ""):
            person.refuses(option, wrong, "true")


@row("R:--wait-for-ready-cluster")
def ready_cluster(person: Person) -> None:
    words = ("--ntasks", "4", "--slots", "1", "--wait-for-ready-cluster", "--shell")
    [ready] = set(person.prints(*words, "echo $COILED_BATCH_READY_WORKERS; sleep 0.2"))
    assert len(ready.split(",")) == (len(person.hosts) or 1)


@row("R:--host-setup-script")
def host_setup(person: Person) -> None:
    person.file("setup.sh", "#!/bin/sh\necho ready >/tmp/$BATCHIO_JOB_ID.ready\n")
    line = "cat /tmp/$BATCHIO_JOB_ID.ready; rm /tmp/$BATCHIO_JOB_ID.ready"
    assert person.prints("--host-setup-script", "setup.sh", "--shell", line) == ["ready"]
    person.file("setup.sh", "#!/bin/sh\nexit 7\n")
    person.type("run", "--wait", "--host-setup-script", "setup.sh", "true", code=3)


@row("R:COMMAND")
def words_of_the_program(person: Person) -> None:
    person.file("a.py", "import sys\nprint(sys.argv[1:])\n")
    words = ("--ntasks", "3", "*", "a b", "", "\\$HOME")
    seen = person.type("run", "--follow", "a.py", *words)
    assert str(list(words)) in seen.out
    assert "warning: --ntasks is passed to a.py" in seen.err
    assert "did you mean --memory?" in person.type("run", "--memry", "1GB", "a.py", code=2).err

"""How attempts are ended, and that nothing of them stays."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.agent.client import Client, alive, gone, strays, text, until

if TYPE_CHECKING:
    from pathlib import Path

STUBBORN = """
trap '' TERM
setsid sh -c 'trap "" TERM; echo $$ > {out}/grandchild; while :; do sleep 1; done' &
sh -c 'trap "" TERM; echo $$ > {out}/child; while :; do sleep 1; done' &
echo $$ > {out}/main; while :; do sleep 1; done
"""


def pid(path: Path) -> int:
    while not (words := until(path).read_text()).endswith("\n"):
        pass
    return int(words)


def test_a_family_that_ignores_term_is_killed_after_the_grace(head: Client, tmp_path: Path) -> None:
    head.setup("/bin/sh", "-c", STUBBORN.format(out=tmp_path), grace=0.3)
    head.start(0)
    family = [pid(tmp_path / name) for name in ("main", "child", "grandchild")]
    head.send(["stop", [[0, 1]], "cancelled"])
    done = head.done(0)
    assert (done.exit, done.reason) == (-9, "cancelled")
    assert gone(family)
    assert gone(strays(head.home)), "not even what was being forked meanwhile"


def test_a_polite_program_ends_by_term_with_the_reason_given(head: Client, tmp_path: Path) -> None:
    script = f"trap 'echo bye; exit 5' TERM; touch {tmp_path}/on; while :; do sleep 0.02; done"
    head.setup("/bin/sh", "-c", script, grace=20)
    head.start(0)
    until(tmp_path / "on")
    head.send(["stop", [[0, 1]], "cancelled"], ["stop", [[0, 1]], "again"])
    done = head.done(0)
    assert (done.exit, done.reason) == (5, "cancelled")
    assert text(head.log(done.log_to), 0) == b"bye\n"


def test_a_double_forked_daemon_without_our_variables_is_killed_too(
    head: Client, tmp_path: Path
) -> None:
    hide = f"env -i setsid sh -c 'echo $$ > {tmp_path}/d; exec sleep 1000' >/dev/null 2>&1 &"
    head.setup("/bin/sh", "-c", f"({hide}); while [ ! -s {tmp_path}/d ]; do :; done")
    head.start(0)
    assert head.done(0).exit == 0
    assert gone([pid(tmp_path / "d")])


@pytest.mark.parametrize("stubborn", ["", "trap '' TERM; "])
def test_a_daemon_that_holds_the_output_does_not_keep_the_task_for_ever(
    head: Client, tmp_path: Path, stubborn: str
) -> None:
    daemon = f"{stubborn}echo $$ > {tmp_path}/p; while :; do sleep 0.02; done"
    script = f'setsid sh -c "{daemon}" & while [ ! -s {tmp_path}/p ]; do :; done; echo main'
    head.setup("/bin/sh", "-c", script.replace("$$", "\\$\\$"), grace=0.1)
    head.start(0)
    done = head.done(0)
    assert (done.exit, done.reason) == (0, "")
    assert text(head.log(done.log_to), 0) == b"main\n"
    assert gone([pid(tmp_path / "p")])


def test_who_holds_the_output_of_an_ended_attempt_takes_no_slot(
    head: Client, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    logger = f"exec > >(cat {go}; cat); echo early"
    head.setup("/bin/bash", "-c", f"[ $BATCHIO_TASK_ID = 1 ] || {logger}", slots=1, grace=60)
    head.start(0, 1)
    assert head.done(1).exit == 0
    assert (0, 1) not in head.dones
    go.write_text("")
    assert text(head.log(head.done(0).log_to), 0) == b"early\n"


LOGGERS = {
    "slow": "exec > >(sleep 0.5; cat)",
    "tee": "exec > >(tee run.log)",
    "lines": 'exec > >(while read -r l; do sleep 0.02; echo "$l"; done) 2>&1',
    "python": "exec > >(python3 -c 'import sys; sys.stdout.write(sys.stdin.read())')",
    "own session": "exec > >(setsid sh -c 'sleep 0.3; cat')",
}


@pytest.mark.parametrize("logger", LOGGERS)
def test_what_goes_through_a_logger_of_the_tasks_own_is_kept(head: Client, logger: str) -> None:
    head.setup("/bin/bash", "-c", f"{LOGGERS[logger]}; seq 20; exit 3")
    head.start(0)
    done = head.done(0)
    lines = "".join(f"{number}\n" for number in range(1, 21)).encode()
    assert text(head.log(done.log_to), 0) == lines
    assert (done.exit, done.tail) == (3, "20")
    assert done.files == (logger == "tee")


def test_the_last_words_before_term_ends_them_are_kept(head: Client) -> None:
    """Of a background process that nobody waited for."""
    late = "trap 'echo told; exit' TERM; while :; do sleep 0.02; done"
    head.setup("/bin/sh", "-c", f"({late}) & echo main", grace=0.2)
    head.start(0)
    assert text(head.log(head.done(0).log_to), 0) == b"main\ntold\n"


def test_output_that_a_stranger_holds_is_cut_off_and_that_is_said(
    head: Client, tmp_path: Path
) -> None:
    """A process that is not of the agent's has the pipe: here, this one."""
    script = f"echo $$ > {tmp_path}/p; echo said; while [ ! -e {tmp_path}/go ]; do sleep 0.02; done"
    head.setup("/bin/sh", "-c", script, grace=0)
    head.start(0)
    held = os.open(f"/proc/{pid(tmp_path / 'p')}/fd/1", os.O_WRONLY)
    try:
        (tmp_path / "go").touch()
        log = head.log(head.done(0).log_to)
        assert text(log, 0) == b"said\n"
        assert text(log, 0, stream=2).startswith(b"batchio: the output ends here")
    finally:
        os.close(held)


def test_strays_of_one_attempt_do_not_cost_another_its_children(
    head: Client, tmp_path: Path
) -> None:
    keep = f"setsid sh -c 'echo $$ > {tmp_path}/keep; exec sleep 1000' & "
    keep += f"while [ ! -e {tmp_path}/go ]; do sleep 0.01; done"
    leave = f"setsid sh -c 'echo $$ > {tmp_path}/left; exec sleep 1000' & "
    leave += f"while [ ! -s {tmp_path}/left ]; do :; done"
    script = f"if [ $BATCHIO_TASK_ID = 0 ]; then {keep}; else {leave}; fi"
    head.setup("/bin/sh", "-c", script, grace=0.2)
    head.start(0)
    kept = pid(tmp_path / "keep")
    head.start(1)
    head.done(1)
    assert gone([pid(tmp_path / "left")])
    assert alive(kept)
    (tmp_path / "go").touch()
    head.done(0)
    assert gone([kept])


def test_a_task_has_its_time_and_no_more(head: Client) -> None:
    head.setup("/bin/sh", "-c", "echo begun; sleep 1000", timeout=0.2)
    head.start(0)
    done = head.done(0)
    assert (done.exit, done.reason, done.tail) == (-15, "timed_out", "begun")
    assert done.ended - done.started >= 0.2


def test_a_queued_attempt_is_stopped_at_once(head: Client, tmp_path: Path) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    head.setup("/bin/cat", str(go), slots=1)
    head.start(0, 1)
    head.send(["stop", [[1, 1], [9, 9]], "cancelled"])
    done = head.done(1)
    assert (done.exit, done.reason) == (-15, "cancelled")
    assert (0, 1) not in head.dones
    go.write_text("")
    assert head.done(0).exit == 0


def test_only_queued_attempts_are_given_back(head: Client, tmp_path: Path) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    head.setup("/bin/cat", str(go), slots=1)
    head.start(0, 1, 2)
    head.wait("started")
    head.send(["recall", [[0, 1], [2, 1], [7, 1]]])
    assert head.wait("returned")[1] == [[2, 1]]
    go.write_text("")
    assert head.done(0).exit == 0
    os.close(os.open(go, os.O_WRONLY))
    assert head.done(1).exit == 0
    head.sync()
    assert (2, 1) not in head.dones


def test_a_failing_task_that_left_a_folder_nobody_may_read_is_still_collected(
    head: Client,
) -> None:
    head.setup("/bin/sh", "-c", "mkdir -p a/b $TMPDIR/x; chmod 0 a $TMPDIR/x; exit 1")
    head.start(0)
    assert (head.done(0).exit, head.done(0).files) == (1, 1), "the empty a/b"


def test_bye_kills_what_runs_and_leaves_nothing(head: Client, tmp_path: Path) -> None:
    head.setup("/bin/sh", "-c", STUBBORN.format(out=tmp_path), grace=0.2)
    head.start(0, 1)
    family = [pid(tmp_path / name) for name in ("main", "child", "grandchild")]
    head.send(["bye", False])
    assert head.wait("bye") == ["bye", ""]
    assert not head.home.exists()
    assert head.closed()
    assert gone([*family, *strays(head.home)])
    assert not head.home.parent.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_bye_says_what_could_not_be_removed(head: Client) -> None:
    head.setup("/bin/sh", "-c", "mkdir here && mount -t tmpfs none here && echo x > kept")
    head.start(0)
    head.done(0)
    head.send(["bye", False])
    try:
        place = f"{head.home}/work/0.1/here"
        assert head.wait("bye") == ["bye", f"{place} cannot be removed: Device or resource busy"]
    finally:
        subprocess.run(["umount", f"{head.home}/work/0.1/here"], check=True)


def test_bye_can_keep_the_home(head: Client) -> None:
    head.setup("/bin/sh", "-c", "echo x > kept")
    head.start(0)
    head.done(0)
    head.send(["bye", True])
    head.wait("bye")
    assert head.closed()
    assert (head.home / "work/0.1/kept").read_text() == "x\n"


@pytest.mark.skipif(not shutil.which("setsid"), reason="needs util-linux")
def test_a_task_that_kills_its_own_agent_takes_only_itself_down(head: Client) -> None:
    head.setup("/bin/sh", "-c", "kill -9 $PPID; sleep 1000")
    head.start(0)
    assert head.closed()

"""Real shells complete scripts, commands, and jobs by name."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.terminal import Terminal
from tests.core.stories import mixed
from tests.house.skips import OPTIONAL

_BASH = """
eval "$(batchio completion bash)"
complete -p batchio >/dev/null || exit 3
offered() {
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
    compopt() { [ "$1 $2" = "-o default" ] && COMPREPLY=($(compgen -f -- "${COMP_WORDS[-1]}")); }
    _batchio_completion batchio
    echo "${COMPREPLY[@]}"
}
offered batchio run my_
offered batchio cancel proc
offered batchio sta
"""
_FISH = """
batchio completion fish | source
complete -C 'batchio run my_'
complete -C 'batchio cancel proc'
complete -C 'batchio sta'
"""
_ZSH = """
autoload -Uz compinit && compinit -u -D
eval "$(batchio completion zsh)"
offered() {
    words=("$@"); CURRENT=$#
    compadd() { print -r -- "${(P)@[-1]}"; }
    _describe() { print -r -- "${(P)@[3]}"; }
    _path_files() { print -r -- ${words[-1]}*; }
    _batchio_completion
}
offered batchio run my_
offered batchio cancel proc
offered batchio sta
"""


@pytest.mark.parametrize(("shell", "script"), [("bash", _BASH), ("fish", _FISH), ("zsh", _ZSH)])
def test_a_shell_completes_scripts_jobs_and_commands(
    terminal: Terminal, shell: str, script: str
) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{OPTIONAL}{shell} is not installed")
    terminal.keep(mixed())
    (terminal.folder / "my_script.sh").touch()
    beside = Path(sys.executable).parent

    done = subprocess.run(
        [shell, *(["-f"] if shell == "zsh" else []), "-c", script],
        env={**os.environ, "PATH": f"{beside}:{os.environ['PATH']}", "HOME": str(terminal.folder)},
        capture_output=True,
        text=True,
    )

    assert "my_script.sh" in done.stdout, done
    assert "process.py" in done.stdout, done
    assert "status" in done.stdout, done

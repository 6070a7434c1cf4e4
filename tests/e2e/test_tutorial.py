"""The tutorial "Your own machines", word by word, on three real hosts."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.docs.blocks import parse, run
from tests.e2e.conftest import MakeHosts
from tests.house.source import ROOT
from tests.testbed.client import Lab
from tests.testbed.spec import VmSpec

PAGE = "docs/tutorial/your-own-machines.md"


@pytest.mark.timeout(300)
def test_the_tutorial_on_machines_is_true(
    hosts: MakeHosts, lab: Lab, tmp_path: Path, workspace: Path
) -> None:
    machines = [lab.create(VmSpec(name=name))[0] for name in ("ws1", "ws2", "ws3")]
    folder = tmp_path / "page"
    folder.mkdir()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    config = Path.home() / ".ssh" / "config"
    ssh = tmp_path / "ssh"  # OpenSSH takes the home from the user database, not from HOME
    ssh.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {config} "$@"\n')
    ssh.chmod(0o755)
    environ = os.environ | {"PATH": f"{tmp_path}:{path}", "COLUMNS": "100", "NO_COLOR": "1"}
    for block in parse((ROOT / PAGE).read_text()):
        if block.options.get("not-run") == "three hosts":
            options = {key: value for key, value in block.options.items() if key != "not-run"}
            run(replace(block, options=options), folder, environ)
    for vm in machines:
        assert not (lab.disk(vm) / "var/tmp/batchio-0").exists()
    lab.destroy(*machines)

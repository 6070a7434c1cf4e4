"""Whatever bytes an agent finds in its home: it comes up, and ends no process but its own."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given

from batchio.agent.home import KINDS, read_identity
from batchio.agent.results import Results
from tests.agent.client import Client, up
from tests.damage import SEEDS, changed, damaged, dices
from tests.effort import examples
from tests.runtime.garbage import RECORD

if TYPE_CHECKING:
    from pathlib import Path

KNOWN: dict[str, Any] = {
    "v": 3, "instance": "a", "pid": 4194303, "start": 7, "socket": "/s", "job": "j", "epoch": 3,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@examples(10)
@given(seed=SEEDS)
def test_a_damaged_identity_names_no_process_that_cannot_be(folder: Path, seed: int) -> None:
    for dice in dices(seed):
        told = json.dumps(changed(dice, KNOWN)).encode()
        (folder / "agent.json").write_bytes(damaged(dice, told) if dice.randrange(2) else told)
        found = read_identity(str(folder))
        assert all(type(found[name]) is KINDS[name] for name in found)
        assert all(value >= 0 for value in found.values() if type(value) is int)


def test_a_whole_identity_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "agent.json").write_text(json.dumps(KNOWN))

    assert read_identity(str(tmp_path)) == KNOWN


@examples(100)
@given(seed=SEEDS)
def test_a_damaged_line_of_results_hides_no_other(folder: Path, seed: int) -> None:
    dice, path = Random(seed), folder / "results"
    lines = [json.dumps(["done", n, [[n, *RECORD[1:]]]]) for n in range(1, 6)]
    odd = json.dumps(changed(dice, ["done", 3, [RECORD]], ["done", 3]))
    lines[2] = odd if dice.randrange(2) else odd[: dice.randrange(len(odd))]
    path.write_text("\n".join(lines) + "\n", "utf-8")

    results = Results(str(path))

    assert set(results.sealed) >= {1, 2, 4, 5}
    assert {(1, 1), (2, 1), (4, 1), (5, 1)} <= set(results.seqs)
    assert results.seq < 1 << 62


@pytest.mark.parametrize("file", ["agent.json", "results", "prepared"])
@pytest.mark.parametrize(
    "content", [b"7", b"[]", b"{}", b'{"epoch":"x"}', b"\xff\0", b"[" * 99_999]
)
def test_an_agent_comes_up_in_a_damaged_home(home: Path, file: str, content: bytes) -> None:
    home.mkdir(parents=True, mode=0o700)
    (home / file).write_bytes(content)

    up(home)

    with Client(home) as head:
        head.hello()
        head.send(["setup", {"argv": ["/bin/true"]}], ["prepare", "true", 9])
        assert head.wait("prepared")[1] == 0

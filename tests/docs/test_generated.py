"""The files that are made from the code are as the code has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from batchio.cli.diagnostics import ExitCode
from docs import __main__ as made

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", made.MADE)
def test_a_file_made_from_the_code_is_fresh(name: str) -> None:
    assert (made.ROOT / name).read_text() == made.MADE[name](), "run make docs"


def test_a_stale_file_is_named_and_then_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(made, "ROOT", tmp_path)
    monkeypatch.setattr(made, "MADE", {"page.md": lambda: "new"})

    assert made.main(["--check"]) == 1
    assert "page.md is not as the code has it" in capsys.readouterr().err
    assert made.main([]) == 0
    assert made.main(["--check"]) == 0
    assert (tmp_path / "page.md").read_text() == "new"


def test_every_exit_code_is_on_its_page() -> None:
    page = (made.ROOT / "docs/reference/exit-codes.md").read_text("utf-8")

    assert [f"| {code.value} |" in page for code in ExitCode] == [True] * len(ExitCode)

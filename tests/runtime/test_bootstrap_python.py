"""Which Python of a node the agent runs with: the host's, the tasks', the usual ones."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import pytest

from batchio.errors import Unfit
from batchio.runtime.bootstrap import bootstrap, remove
from batchio.transports.local import LocalTransport
from tests.runtime.test_bootstrap import Counting, Elsewhere

if TYPE_CHECKING:
    from pathlib import Path


class Named(Counting):
    """A host whose Python was named."""

    def __init__(self, python: str) -> None:
        super().__init__(Elsewhere(LocalTransport()))
        self.python = python


def test_the_python_that_was_named_for_a_host_is_the_only_one(tmp_path: Path) -> None:
    wrapper = tmp_path / "my python"
    wrapper.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    wrapper.chmod(0o755)

    async def scene() -> None:
        base = str(tmp_path)
        found = await bootstrap(Named(str(wrapper)), home_name="j.1", base=base)
        await remove(Named(str(wrapper)), "j.1", base=base)
        assert found.python == str(wrapper)
        with pytest.raises(Unfit, match=f"found at {tmp_path}/nowhere"):
            await bootstrap(Named(f"{tmp_path}/nowhere"), home_name="j.1", base=base)

    asyncio.run(scene())


def test_the_python_of_the_tasks_is_tried_before_the_usual_ones(tmp_path: Path) -> None:
    wrapper = tmp_path / "python"
    wrapper.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    wrapper.chmod(0o755)
    base = str(tmp_path)

    async def scene(python: str) -> str:
        way = Elsewhere(LocalTransport())
        found = await bootstrap(way, home_name="j.1", base=base, python=python)
        await remove(way, "j.1", base=base, python=python)
        return found.python

    assert asyncio.run(scene(str(wrapper))) == str(wrapper)
    assert asyncio.run(scene(f"{tmp_path}/nowhere")) != f"{tmp_path}/nowhere"

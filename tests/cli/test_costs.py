"""What a person sees of the money that a job's nodes cost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.core.stories import JOB, Story, mixed

if TYPE_CHECKING:
    from tests.cli.terminal import Terminal


def test_what_rented_nodes_cost_is_shown_wherever_the_job_is(terminal: Terminal) -> None:
    story = Story("0-1", provider="cloud").offers("big", rate=36.0).ready("big", slots=1)
    story.start(0, at=2).end(0, code=3, at=402).requeue(0, at=402)
    terminal.keep(
        story.start(0, at=402).end(0, at=602).start(1, at=602).end(1, at=1002).close(1801)
    )

    status = terminal.type("status", JOB).out
    [row] = json.loads(terminal.type("nodes", JOB, "--format", "json").out)
    whole = json.loads(terminal.type("status", JOB, "--format", "json").out)

    assert "cost       $18.00; $4.00 of it went to attempts in vain\n" in status
    assert "$18.00" in terminal.type("list").out
    assert (row["rate"], row["cost"]) == (36.0, 18.0)
    assert (whole["cost"], whole["wasted"], whole["hourly"]) == (18.0, 4.0, 0.0)
    assert "$36.00  $18.00" in terminal.type("nodes", JOB).out
    assert "for $18.00" in terminal.type("wait", JOB).err


def test_where_nothing_is_rented_nothing_is_said_of_money(terminal: Terminal) -> None:
    terminal.keep(mixed())

    shown = terminal.type("status", JOB).out + terminal.type("nodes", JOB).out

    assert "cost" not in shown
    assert "$" not in shown.replace("$BATCHIO_TASK_INPUT", "")

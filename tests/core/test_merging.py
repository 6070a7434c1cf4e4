"""A job with --sync ends when what its tasks left is back in the folder, and not before."""

from __future__ import annotations

from batchio.core import effects as ef
from batchio.core import events as ev
from batchio.core.explain import why_job
from batchio.core.plan import Offer
from batchio.core.task import Outcome
from tests.core.machines import World, spec


def ended(sync: str | None) -> World:
    """A job of which every task has ended and every node was released."""
    world = World(spec(2, sync=sync), [Offer("n")])
    world.open()
    for _ in range(20):
        merging, world.merging = world.merging, 0
        world.answer()
        world.merging = world.merging or merging
        world.turn()
    return world


def test_only_a_job_with_sync_waits_for_its_outputs() -> None:
    assert ended(None).machine.running_job.closed
    world = ended("/project")

    assert (world.merging, world.machine.undone, world.machine.held) == (1, 0, 0)
    assert not world.machine.running_job.closed
    assert world.machine.due() == [ef.MergeOutputs(1)]
    said = "Every task has ended; output files are being copied to /project."
    assert said in why_job(world.machine, world.now)

    world.merge()
    world.turn()
    assert world.machine.running_job.closed
    assert world.machine.outcome is Outcome.SUCCEEDED


def test_a_new_head_begins_again_what_was_not_brought() -> None:
    world = ended("/project")
    world.crash()
    assert world.merging == 1
    assert world.settle().outcome is Outcome.SUCCEEDED


def test_outputs_that_could_not_be_brought_are_a_failure_until_they_are() -> None:
    world = ended("/project")
    world.merge("output files could not be copied to /project (full)")
    world.turn()
    machine = world.machine
    assert (machine.running_job.closed > 0, machine.outcome) == (True, Outcome.FAILED)
    said = "\n".join(why_job(machine, world.now))
    assert "output files could not be copied to /project (full)" in said

    world.post(ev.TasksRequeued(world.now, [[0, world.now, "asked"]]))
    world.turn()
    assert not machine.running_job.unmerged
    assert world.settle().outcome is Outcome.SUCCEEDED
    assert machine.running_job.merged == 2


def test_tasks_that_run_again_meanwhile_have_theirs_brought_too() -> None:
    world = ended("/project")
    world.post(ev.TasksRequeued(world.now, [[0, world.now, "asked"]]))
    world.turn()
    world.merge("full")
    world.turn()
    assert not world.machine.running_job.unmerged
    assert not world.machine.running_job.closed
    world.settle()
    assert (world.machine.running_job.merged, world.machine.outcome) == (2, Outcome.SUCCEEDED)


def test_a_head_on_another_computer_leaves_it_to_who_waits() -> None:
    world = ended("/project")
    world.crash(kind="login")
    assert (world.merging, world.machine.due()) == (0, [])
    assert world.settle().outcome is Outcome.SUCCEEDED
    job = world.machine.running_job
    assert (job.merged, job.outputs) == (0, "")
    assert "To bring its output files: batchio wait j1 --sync /project" in why_job(
        world.machine, world.now
    )

"""One door: what each event does to the machine, in the order in which things go wrong."""

from __future__ import annotations

import pytest

from batchio.core import effects as ef
from batchio.core import events as ev
from batchio.core.job import JobState
from batchio.core.machine import Machine
from batchio.core.node import NodeState
from batchio.core.plan import Offer
from batchio.core.task import Outcome, TaskState
from batchio.errors import IllegalEvent
from tests.core.machines import World, fingerprint, record, replay, spec

HANDLE = "h-j1-0"


def world(tasks: int = 1, slots: int = 1, files: int = 0, **options: object) -> World:
    """One node, ready, with its first tasks sent out."""
    made = World(spec(tasks, **options), [Offer("a", slots=slots)], files=files)
    made.open()
    return made


def running(tasks: int = 1, **options: object) -> World:
    """As above, and the first tasks run."""
    made = world(tasks, **options)  # type: ignore[arg-type]
    made.begin(HANDLE)
    made.hear()
    made.turn()
    return made


def outcomes(w: World) -> list[str]:
    return [Outcome(value).label for value in w.machine.tasks.outcome]


def states(w: World) -> list[TaskState]:
    return [TaskState(value) for value in w.machine.tasks.state]


def cancel(w: World, *tasks: int) -> None:
    w.post(ev.CancelRequested(w.now, list(tasks) or None, "not needed"))
    w.turn()


# --- the door ----------------------------------------------------------------


def test_nothing_happens_before_the_job_is_submitted() -> None:
    with pytest.raises(IllegalEvent, match="NodeHeard before the job was submitted"):
        Machine().apply(ev.NodeHeard(1.0, 0))


def test_a_job_is_submitted_once() -> None:
    w = world()

    with pytest.raises(IllegalEvent, match="job j1 was submitted already"):
        w.machine.apply(ev.JobSubmitted(1.0, "j2", spec().to_json()))


def test_a_node_that_was_never_wanted_is_unknown() -> None:
    with pytest.raises(IllegalEvent, match="node 7 was never wanted"):
        world().machine.apply(ev.NodeHeard(1.0, 7))


@pytest.mark.parametrize("task", [-1, 1])
def test_a_task_that_does_not_exist_cannot_be_cancelled(task: int) -> None:
    with pytest.raises(IllegalEvent, match=f"task {task} cannot end: there are 1"):
        world().machine.apply(ev.CancelRequested(1.0, [task], ""))


def test_an_attempt_that_is_not_the_present_one_cannot_be_assigned() -> None:
    w = world(2)

    with pytest.raises(IllegalEvent, match="task 1: attempt 2 was assigned"):
        w.machine.apply(ev.TasksAssigned(1.0, 0, [[1, 2]]))


def test_what_changes_nothing_says_so_and_is_counted() -> None:
    w = world()

    assert not w.machine.apply(ev.NodeHeard(1.0, 0))
    assert w.machine.late_count == 1


def test_a_job_goes_from_pending_to_done() -> None:
    w = World(spec(1), [Offer("a")])
    seen = [w.machine.state]
    while not w.machine.running_job.closed:
        w.go()
        if w.machine.state is not seen[-1]:
            seen.append(w.machine.state)

    assert seen == list(JobState)


# --- late and doubled answers ------------------------------------------------


def test_a_result_sent_twice_counts_once_and_is_acknowledged_twice() -> None:
    w = running()
    told = ev.TasksFinished(w.now, 0, 4, [record(0)])

    assert w.machine.apply(told)
    assert not w.machine.apply(told)
    assert w.machine.pop_effects() == [ef.AckResults(0, 4)] * 2
    assert w.machine.nodes[0].ended == 1


def test_a_result_of_a_lost_attempt_changes_nothing() -> None:
    w = running(max_infra_retries=1)
    w.restart(HANDLE)
    w.go()
    assert w.machine.tasks.attempt[0] == 2
    before = fingerprint(w.machine)

    assert not w.machine.apply(ev.TasksFinished(w.now, 0, 9, [record(0)]))
    assert fingerprint(w.machine) == before


def test_what_an_agent_gives_back_unasked_is_not_taken() -> None:
    w = world()

    assert not w.machine.apply(ev.TasksReturned(w.now, 0, [[0, 1]]))
    assert w.machine.nodes[0].active == {0}


def test_a_greeting_after_the_release_changes_nothing() -> None:
    w = World(spec(1), [Offer("a")])
    w.list_offers()
    w.turn()
    w.create(0)
    w.turn()
    w.post(ev.CancelRequested(w.now, None, ""))
    w.turn()

    assert not w.machine.apply(ev.NodeGreeted(w.now, 0, 1, {}))
    assert w.machine.nodes[0].state is NodeState.DRAINING


# --- outputs -----------------------------------------------------------------


def collecting() -> World:
    w = running(files=1, max_infra_retries=3)
    w.finish(HANDLE, (0, 1), 0)
    w.hear()
    w.turn()
    return w


def test_outputs_of_a_finished_task_survive_a_restart_of_the_agent() -> None:
    w = collecting()

    w.restart(HANDLE)
    w.settle()

    assert w.started == [(0, 1, HANDLE)]
    assert outcomes(w) == ["succeeded"]


def test_a_task_whose_outputs_went_with_its_node_is_run_again() -> None:
    w = collecting()

    w.die(HANDLE)
    w.settle()

    assert (w.machine.tasks.attempt[0], w.machine.tasks.losses[0]) == (2, 1)
    assert outcomes(w) == ["succeeded"]


# --- connections -------------------------------------------------------------


def test_an_assignment_that_never_arrived_is_told_again() -> None:
    w = world()
    w.agents[HANDLE].queue.clear()

    w.drop(0)
    w.settle()

    assert w.started == [(0, 1, HANDLE)]


def test_a_task_runs_on_through_a_broken_connection() -> None:
    w = running()
    w.drop(0)
    w.turn()
    w.finish(HANDLE, (0, 1), 0)

    w.settle()

    assert w.started == [(0, 1, HANDLE)]
    assert outcomes(w) == ["succeeded"]


def test_a_recall_is_forgotten_with_the_connection_it_was_made_on() -> None:
    w = world(4, slots=2)
    w.machine.apply(ev.TasksRecalled(w.now, 0, [[1, 1]]))
    w.drop(0)
    w.connect(0)
    w.turn()

    assert not w.machine.apply(ev.TasksReturned(w.now, 0, [[1, 1]]))


def test_the_next_head_knows_what_the_last_one_knew() -> None:
    w = running(3, slots=2, max_retries=1)
    before = fingerprint(w.machine)

    w.crash()

    assert w.replayed == before
    w.settle()
    assert w.machine.outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("performed", [0, 1, 2])
@pytest.mark.parametrize("dies", range(12))
def test_a_head_that_dies_after_any_journal_write_loses_and_doubles_nothing(
    dies: int, performed: int
) -> None:
    w = World(spec(4, max_retries=1), [Offer("a"), Offer("b")], files=1)

    for turn in range(12):
        w.answer(lambda key: int(key == (1, 1)))
        w.turn(performed=performed if turn == dies else None)
    w.settle()

    assert w.machine.outcome is Outcome.SUCCEEDED
    assert sorted(w.started) == sorted(set(w.started))
    assert len(w.started) == 5
    assert w.rented == set()
    assert fingerprint(replay(w.journal)) == fingerprint(w.machine)

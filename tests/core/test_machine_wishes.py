"""People cancel and ask again, at whatever moment it is."""

from __future__ import annotations

import pytest

from batchio.core import events as ev
from batchio.core.job import JobState
from batchio.core.node import NodeState
from batchio.core.plan import Offer
from batchio.core.retry import Cause
from batchio.core.task import Outcome, TaskState
from tests.core.machines import World, fingerprint, spec

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


# --- cancelling --------------------------------------------------------------


def test_a_pending_task_is_cancelled_at_once() -> None:
    w = world(2)

    cancel(w, 1)

    assert outcomes(w) == ["", "cancelled"]
    assert w.machine.tasks.reasons[1] == "not needed"


def test_an_assigned_task_is_stopped_on_its_node() -> None:
    w = world()

    cancel(w, 0)

    assert w.machine.tasks.state[0] == TaskState.ASSIGNED
    assert ("stop", 0, 1) in w.links[0].told
    w.settle()
    assert outcomes(w) == ["cancelled"]
    assert w.started == []


def test_a_running_task_is_cancelled_when_its_process_has_ended() -> None:
    w = running(max_retries=3)

    cancel(w, 0)
    assert outcomes(w) == [""]
    w.settle()

    assert outcomes(w) == ["cancelled"]
    assert w.machine.tasks.attempt[0] == 1


def test_a_task_that_ends_well_before_the_stop_reaches_it_has_succeeded() -> None:
    w = running()
    cancel(w, 0)

    w.finish(HANDLE, (0, 1), 0)
    w.settle()

    assert outcomes(w) == ["succeeded"]


def test_a_task_whose_outputs_are_on_the_way_keeps_them_when_cancelled() -> None:
    w = running(files=1)
    w.finish(HANDLE, (0, 1), 0)
    w.hear()
    w.turn()
    assert states(w) == [TaskState.COLLECTING]

    cancel(w)
    assert not [verb for verb, *_ in w.links[0].told if verb == "stop"]
    w.settle()

    assert outcomes(w) == ["succeeded"]
    assert w.machine.running_job.cancelled


@pytest.mark.parametrize("files", [0, 1])
def test_a_task_that_failed_just_before_the_cancel_is_not_tried_again(files: int) -> None:
    w = running(files=files, max_retries=5)
    w.finish(HANDLE, (0, 1), 1)
    w.hear()

    cancel(w)
    w.settle()

    assert w.machine.tasks.attempt[0] == 1
    assert outcomes(w) == ["cancelled" if files else "failed"]
    assert w.machine.outcome is Outcome.CANCELLED


def test_a_job_without_any_node_is_cancelled_at_once() -> None:
    w = World(spec(3), [Offer("a")])

    cancel(w)

    assert w.machine.running_job.closed
    assert outcomes(w) == ["cancelled"] * 3
    assert w.machine.due() == []


def test_a_node_that_was_only_wanted_is_given_back_when_the_provider_answers() -> None:
    w = World(spec(1), [Offer("a")])
    w.list_offers()
    w.turn()
    cancel(w)
    assert not w.machine.running_job.closed

    w.create(0)
    w.turn()
    w.delete(0)
    w.turn()

    assert w.machine.running_job.closed
    assert w.rented == set()


def test_tasks_cancelled_while_their_node_was_silent_are_stopped_when_it_is_heard() -> None:
    w = running()
    w.drop(0)
    w.turn()
    cancel(w)

    w.connect(0)
    w.turn()
    assert {("start", 0, 1), ("stop", 0, 1)} <= w.links[0].told
    w.settle()
    assert outcomes(w) == ["cancelled"]


def test_a_stop_of_an_attempt_that_never_arrived_still_comes_to_an_end() -> None:
    w = world()
    w.agents[HANDLE].queue.clear()  # the start was lost with the connection
    w.drop(0)
    w.turn()
    cancel(w)

    w.settle()

    assert outcomes(w) == ["cancelled"]


def test_cancelled_tasks_of_a_lost_node_are_cancelled_not_lost() -> None:
    w = running(max_infra_retries=5)
    cancel(w)
    w.die(HANDLE)

    w.settle()

    assert outcomes(w) == ["cancelled"]


def test_a_cancel_when_all_is_over_changes_nothing() -> None:
    w = world()
    w.settle()

    assert not w.machine.apply(ev.CancelRequested(w.now, None, ""))
    assert w.machine.outcome is Outcome.SUCCEEDED


def test_a_cancelled_task_that_comes_back_unstarted_is_cancelled() -> None:
    w = world(4, slots=2)
    w.machine.apply(ev.TasksRecalled(w.now, 0, [[1, 1]]))
    cancel(w, 1)

    assert w.machine.apply(ev.TasksReturned(w.now, 0, [[1, 1]]))
    assert outcomes(w) == ["", "cancelled", "", ""]


# --- trying again ------------------------------------------------------------


def asked(w: World, *tasks: int) -> ev.TasksRequeued:
    return ev.TasksRequeued(w.now, [[task, 0.0, str(Cause.ASKED)] for task in tasks])


def test_a_closed_job_is_opened_again_and_takes_new_nodes() -> None:
    w = world(2, job_timeout=1000.0)
    w.settle(lambda key: key[0])
    assert outcomes(w) == ["succeeded", "failed"]
    w.now += 5000.0

    w.crash(asked(w, 1))
    assert w.machine.state is JobState.PROVISIONING
    w.settle()

    assert w.machine.outcome is Outcome.SUCCEEDED
    assert list(w.machine.tasks.attempt) == [1, 2]
    assert [node.state for node in w.machine.nodes] == [NodeState.GONE] * 2


def test_a_job_that_was_cancelled_before_anything_was_listed_can_be_opened_again() -> None:
    w = World(spec(1), [Offer("a")])
    cancel(w)
    assert w.machine.running_job.closed

    w.crash(asked(w, 0))
    w.settle()

    assert w.machine.outcome is Outcome.SUCCEEDED


def test_an_offer_that_could_never_work_is_tried_again_when_somebody_asks() -> None:
    w = World(spec(1), [Offer("a")])
    w.list_offers()
    w.turn()
    w.create(0, works=False, final=True)
    w.turn()
    assert outcomes(w) == ["lost"]

    w.crash(asked(w, 0))
    w.settle()

    assert outcomes(w) == ["succeeded"]


def test_a_job_whose_time_was_up_gets_its_time_anew() -> None:
    w = running(job_timeout=10.0)
    w.wait(11.0)
    w.settle()
    assert outcomes(w) == ["timed_out"]

    w.crash(asked(w, 0))
    w.settle()

    assert w.machine.outcome is Outcome.SUCCEEDED


def test_asking_for_what_has_not_ended_changes_nothing() -> None:
    w = running(2)
    before = fingerprint(w.machine)

    assert not w.machine.apply(asked(w, 0, 1))
    assert fingerprint(w.machine) == before

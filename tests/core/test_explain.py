"""Every place where a job or a task can be is explained in a sentence a person understands."""

from __future__ import annotations

from batchio.core import events as ev
from batchio.core.explain import why_job, why_task
from tests.core.stories import JOB, T0, Story, mixed

NOW = T0 + 10


def task(story: Story, task_id: int, now: float = NOW) -> str:
    position = story.machine.running_job.spec.tasks.position(task_id)
    return "\n".join(why_task(story.machine, position, now))


def job(story: Story, now: float = NOW) -> str:
    return "\n".join(why_job(story.machine, now))


def test_a_job_nobody_has_answered_waits_for_the_provider() -> None:
    assert job(Story()) == (
        "The job was submitted 10s ago and has not asked for a node yet.\n"
        "It waits for the local provider to list its nodes."
    )


def test_a_job_whose_nodes_boot_names_them() -> None:
    story = Story().offers("host1").booting("host1", at=4)

    assert job(story) == (
        "The job was submitted 10s ago, and none of its nodes is ready yet.\n"
        "It waits for a node to be ready.\n"
        "Node host1 has been getting ready for 6s."
    )


def test_a_running_job_counts_and_shows_what_failed() -> None:
    assert job(mixed()) == (
        "The job runs: 4 of 6 tasks are done (2 succeeded, 2 failed), 1 runs, 1 waits.\n"
        f"2 of 4 tasks failed, all alike: ValueError: bad row; type: batchio logs {JOB} --task 6\n"
        '2 tasks failed (exit code 3): 5-6; last words: "ValueError: bad row"; it still goes on'
    )


def test_a_job_that_ended_badly_says_how_to_run_the_rest_again() -> None:
    story = Story("0").offers("laptop").ready().start(0).end(0, code=1).close()

    assert job(story) == (
        "The job failed after 9s: 1 of 1 task is done (1 failed).\n"
        f"1 of 1 task failed, exit code 1; type: batchio logs {JOB} --task 0\n"
        "1 task failed (exit code 1): 0\n"
        f"To run the failed tasks again: batchio retry {JOB} --failed"
    )


def test_a_cancelled_job_says_why() -> None:
    story = Story("0-1").tell(ev.CancelRequested(T0, None, "a typo")).close()

    said = "\n".join(why_job(story.machine, NOW))
    assert "It was cancelled: a typo; type: " in said
    assert said.count("a typo") == 1


def test_an_offer_that_failed_says_when_it_is_tried_again() -> None:
    story = Story().offers("host1").booting("host1").lose(why="no route", at=9.5)
    story.tell(ev.NodeDeleted(T0 + 9.5, 0))

    assert (
        "Node host1 cannot be reached: no route; tried 1 time in 500ms; next try in 500ms."
        in job(story)
    )


def test_a_hopeless_offer_is_not_tried_again() -> None:
    story = Story().offers("host1").booting("host1")
    story.tell(ev.NodeLost(T0 + 2, 0, "key refused", final=True), ev.NodeDeleted(T0 + 2, 0))

    assert "Node host1 is left out: key refused; tried 1 time in 8s." in job(story)


def test_a_job_timeout_counts_down() -> None:
    story = Story(job_timeout=60.0).offers("laptop").ready(at=1)

    assert "Its --job-timeout ends in 51s; unfinished tasks are stopped then." in job(story)


def test_a_pending_task_behind_full_slots_waits_for_one() -> None:
    story = Story("0-3").offers("laptop").ready(slots=2).start(0, 1)

    assert task(story, 3) == (
        "Task 3 is waiting to run.\nIt waits for a free slot: all 2 on 1 node are taken."
    )


def test_a_pending_task_waits_for_its_backoff() -> None:
    story = Story("0", max_retries=3).offers("laptop").ready().start(0).end(0, code=1)
    story.requeue(0, until=14)

    assert task(story, 0) == (
        "Task 0 is waiting to run (attempt 2).\n"
        "Its program failed before: 1 of 3 retries used.\n"
        "It waits for its backoff to pass: another 4s."
    )


def test_a_pending_task_waits_for_the_cluster() -> None:
    story = Story("0", wait_for_ready=True).offers("a", "b").ready("a").booting("b", at=9)

    assert (
        "It waits for the whole cluster to be ready (--wait-for-ready-cluster); "
        "1 of 2 nodes are." in task(story, 0)
    )
    assert "Node b has been getting ready for 1s." in task(story, 0)


def test_a_suspect_waits_for_a_node_to_itself() -> None:
    story = Story("0-1").offers("a", "b").ready("a")
    story.start(0).lose(0).requeue(0, cause="infra").ready("b")
    story.start(0, node=1).lose(1).requeue(0, cause="infra")

    assert "It waits for a node of its own, because nodes were lost while it ran." in task(story, 0)
    assert "Its node was lost before: 2 of 5 retries for lost nodes used." in task(story, 0)


def test_a_task_for_the_scheduler_names_its_node() -> None:
    story = Story("0-1", task_on_scheduler=True).offers("laptop").ready().start(1)

    assert "It must run on the scheduler's node, laptop." in task(story, 0)
    assert "scheduler" not in task(story, 1)


def test_a_limit_of_the_array_is_named() -> None:
    story = Story("0-3", at_once=1).offers("laptop").ready().start(0)

    assert "It waits for one of 1 to end: --array allows 1 at a time." in task(story, 2)


def test_a_running_task_says_where_for_how_long_and_until_when() -> None:
    story = Story("0", task_timeout=30.0).offers("laptop").ready().start(0, at=2)

    assert task(story, 0) == (
        "Task 0 has been running on node laptop for 8s.\nIts --task-timeout ends in 22s."
    )


def test_a_task_on_a_silent_node_may_run_on() -> None:
    story = Story("0").offers("laptop").ready().start(0)
    story.tell(ev.NodeSilent(T0 + 7, 0, "broken pipe"))

    assert "The connection to node laptop broke 3s ago; its tasks may still be running." in task(
        story, 0
    )


def test_a_task_being_stopped_says_so() -> None:
    story = Story("0").offers("laptop").ready().start(0)
    story.tell(ev.CancelRequested(T0 + 7, [0], ""))

    assert "It is being stopped and will count as cancelled." in task(story, 0)


def test_a_queued_task_waits_on_its_node() -> None:
    story = Story("0").offers("laptop").ready().assign(0)

    assert task(story, 0) == "Task 0 was sent to node laptop and waits there for a free slot."


def test_a_failed_task_shows_code_last_words_and_why_there_was_no_retry() -> None:
    assert task(mixed(), 5) == (
        "Task 5 failed with exit code 3 after 3s on node laptop.\n"
        'Its last words: "ValueError: bad row"\n'
        "It was not tried again: the job has no retries (--max-retries).\n"
        f"To run it again: batchio retry {JOB} --task 5"
    )


def test_a_code_that_is_not_listed_says_so() -> None:
    story = Story("0", max_retries=2, retry_on=((75, 75),)).offers("laptop").ready()
    story.start(0).end(0, code=3)

    assert "It was not tried again: 3 is not in --retry-on." in task(story, 0)


def test_an_out_of_memory_kill_is_named_with_its_peak() -> None:
    story = Story("0").offers("laptop").ready().start(0).end(0, code=-9, reason="oom")

    assert "Task 0 failed, killed by SIGKILL after 3s on node laptop." in task(story, 0)
    assert "It ran out of memory at a peak of 4 KiB; to get more: --memory" in task(story, 0)


def test_a_shells_way_of_reporting_a_signal_is_explained() -> None:
    story = Story("0").offers("laptop").ready().start(0).end(0, code=137)

    assert "Exit code 137 is how a shell reports SIGKILL." in task(story, 0)


def test_a_task_timeout_is_told_from_that_of_the_job() -> None:
    story = Story("0-1", task_timeout=3.0).offers("laptop").ready().start(0, 1)
    story.end(0, code=-15, reason="timed_out")

    assert (
        "Task 0 was stopped after 3s on node laptop: it ran longer than --task-timeout 3s."
        in task(story, 0)
    )

    story.tell(ev.JobTimedOut(T0 + 6)).end(1, code=-15, reason="timed_out", at=6)

    assert "the job reached its --job-timeout" in task(story, 1)


def test_a_lost_task_says_what_was_lost() -> None:
    story = Story("0").tell(ev.TasksAbandoned(T0, "no node was available"))

    assert "Task 0 was lost: no node was available." in task(story, 0)


def test_a_task_that_succeeded_needs_one_sentence() -> None:
    assert task(mixed(), 2) == "Task 2 succeeded after 3s on node laptop."


# --- what the provider has not answered ----------------------------------------------------------


def test_a_look_up_of_offers_that_fails_is_shown_with_when_it_is_repeated() -> None:
    story = Story().tell(ev.OffersFailed(T0 + 9, "RequestLimitExceeded", T0 + 17))

    assert job(story).endswith(
        "It waits for the local provider to list its nodes: RequestLimitExceeded; "
        "it will be asked again in 7s."
    )


def test_an_order_that_is_not_answered_says_why() -> None:
    story = Story().offers("c7i").tell(ev.NodesOrdered(T0 + 1, 0, [["c7i", 1, 1]]))
    story.tell(ev.NodesDelayed(T0 + 5, [0], "throttled", T0 + 13))

    assert "Node c7i was asked for 9s ago: throttled; next try in 3s." in job(story)


def test_a_job_says_which_node_it_waits_for_to_be_given_back() -> None:
    story = Story("0").offers("node-3").ready("node-3").start(0).end(0)
    story.tell(ev.NodeReleased(T0 + 6, 0, "the job is over"))
    story.tell(ev.NodesDelayed(T0 + 7, [0], "throttled", T0 + 15))

    waits = "It waits for confirmation that node node-3 is released: throttled; "
    assert f"{waits}next try in 5s.\n" in job(story)
    later = job(story, T0 + 1006)
    assert "failed for 16m 40s: look for handle-node-3 in your cloud account." in later


def test_an_unwanted_node_is_not_known_to_be_gone() -> None:
    story = Story().offers("c7i").tell(ev.NodesOrdered(T0 + 1, 0, [["c7i", 1, 1]]))
    story.tell(ev.NodeReleased(T0 + 2, 0, "not needed"))

    assert "is not needed any more, but it is unknown whether it was started." in job(story)


def test_a_node_that_will_be_taken_says_when_and_why() -> None:
    story = Story().offers("c7i").ready("c7i").start(0)
    story.tell(ev.NodeNoticed(T0 + 5, 0, T0 + 125, "spot"))

    assert "Node c7i will be reclaimed in 1m 55s (spot); it gets no more tasks." in job(story)


def test_a_module_that_did_not_travel_is_named_with_how_to_send_it() -> None:
    words = "ModuleNotFoundError: No module named 'utils.deep'"
    story = Story("0").offers("laptop").ready().start(0).end(0, code=1, tail=words)

    assert "Python found no module utils where the task ran." in task(story, 0)
    assert "--upload utils.py" in task(story, 0)

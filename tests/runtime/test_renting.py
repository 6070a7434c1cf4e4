"""Nothing is taken, refused or given back on a guess, whatever the provider does or says."""

from __future__ import annotations

import random
from math import inf
from typing import TYPE_CHECKING, Any

import pytest

from batchio.core import events as ev
from batchio.core.node import NodeState
from batchio.core.plan import Offer
from batchio.core.task import Outcome
from batchio.errors import NodeError, NotAuthorised, ProviderDown, QuotaExceeded, UsageError
from batchio.ports import Notice, Refused, Rented
from batchio.testing import Ends
from tests.core.machines import spec
from tests.mortal import Crash
from tests.runtime.jobs import Job, runs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from batchio.ports import NodeOrder

STRANGE = [ProviderDown("throttled"), TimeoutError(), KeyError("Instances"), OSError(104, "reset")]
"""What an adapter may raise that says nothing for certain."""


def rented(root: Path, tasks: int = 1, seconds: float = 1.0, **more: Any) -> Job:
    """A job on rented nodes."""
    made = {"rents": True, **more}
    return Job(root, spec(tasks), lambda _: Ends(seconds=seconds), **made)


def whole(job: Job) -> None:
    """Every task succeeded once, and nothing is held."""
    assert runs(job) == [(task, 1) for task in range(len(job.machine.running_job.spec.tasks))]
    assert job.provider.rented == set()
    assert {node.state for node in job.machine.nodes} == {NodeState.GONE}


# --- giving back ---------------------------------------------------------------------------


@pytest.mark.parametrize("error", STRANGE, ids=repr)
def test_a_delete_call_that_fails_is_repeated_and_the_job_is_closed_only_then(
    tmp_path: Path, error: Exception
) -> None:
    job = rented(tmp_path)
    job.provider.fail("delete", *[error] * 3)

    assert job.lead() is Outcome.SUCCEEDED
    whole(job)
    waited = job.journaled(ev.NodesDelayed)
    assert [told.again - told.at for told in waited] == [1.0, 2.0, 4.0]


def test_a_delete_call_that_is_not_confirmed_yet_is_repeated(tmp_path: Path) -> None:
    job = rented(tmp_path, 4, nodes=2, slots=2)
    job.provider.unconfirmed = 5

    assert job.lead() is Outcome.SUCCEEDED
    whole(job)


def test_the_next_head_asks_for_what_was_not_confirmed(tmp_path: Path) -> None:
    job = rented(tmp_path)
    job.provider.fail("delete", *[ProviderDown("throttled")] * 2)
    job.store.fatal = lambda _, batch: any('"delayed"' in body for body in batch)
    with pytest.raises(Crash):
        job.lead()
    assert job.provider.rented == {"n0"}
    job.store.fatal = None

    assert job.lead() is Outcome.SUCCEEDED
    whole(job)


def test_a_person_is_told_of_what_cannot_be_given_back_for_long(tmp_path: Path) -> None:
    job = rented(tmp_path)
    job.provider.fail("delete", *[NotAuthorised("ec2:TerminateInstances is denied")] * 17)

    assert job.lead() is Outcome.SUCCEEDED
    whole(job)
    [note] = job.journaled(ev.Noted)
    assert note.text == (
        "still running at scripted and may cost money: n0: ec2:TerminateInstances is denied"
    )


def test_no_provider_is_believed_to_have_a_node_back_before_it_says_so(tmp_path: Path) -> None:
    job = Job(tmp_path, spec(1))  # of a provider that rents nothing
    job.provider.fail("delete", *[KeyError("x")] * 3)

    assert job.lead() is Outcome.SUCCEEDED
    assert len(job.journaled(ev.NodesDelayed)) == 3
    assert job.provider.rented == set()


def test_nobody_comes_back_to_a_rented_node_to_tidy_up(tmp_path: Path) -> None:
    job = rented(tmp_path, seconds=100)
    cut = job.provider
    job.lead(
        (5, lambda: cut.nodes["n0"].go_silent()),
        (6, lambda: job.ask(kind="cancel")),
    )

    assert job.clock.passed < 60
    assert cut.rented == set()


# --- offers --------------------------------------------------------------------------------


@pytest.mark.parametrize("error", STRANGE, ids=repr)
def test_a_look_up_of_offers_that_fails_is_repeated_and_shown(
    tmp_path: Path, error: Exception
) -> None:
    job = rented(tmp_path)
    job.provider.fail("offers", *[error] * 3)

    assert job.lead() is Outcome.SUCCEEDED
    whole(job)
    assert [told.again - told.at for told in job.journaled(ev.OffersFailed)] == [1.0, 2.0, 4.0]


@pytest.mark.parametrize("error", [UsageError("no such region"), NotAuthorised("denied")])
def test_a_look_up_that_can_never_work_ends_the_job_with_the_reason_until_somebody_retries(
    tmp_path: Path, error: Exception
) -> None:
    job = rented(tmp_path)
    job.provider.fail("offers", error)

    assert job.lead() is Outcome.LOST
    assert job.machine.running_job.why == str(error)

    job.ask(kind="retry")
    assert job.lead() is Outcome.SUCCEEDED


# --- orders --------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["create", "created"])
@pytest.mark.parametrize("error", STRANGE, ids=repr)
def test_an_order_whose_outcome_is_not_known_is_repeated_word_for_word(
    tmp_path: Path, verb: str, error: Exception
) -> None:
    job = rented(tmp_path, 4, nodes=2, slots=2)
    job.provider.fail(verb, *[error] * 3)

    assert job.lead() is Outcome.SUCCEEDED
    whole(job)
    assert len(job.provider.nodes) == 2
    assert len(job.provider.orders) == (4 if verb == "create" else 1)
    assert job.provider.orders == job.provider.orders[:1] * len(job.provider.orders)
    assert not job.journaled(ev.NodesRefused)


def test_a_node_that_was_taken_without_a_word_is_asked_for_again(tmp_path: Path) -> None:
    job = rented(tmp_path, 3, nodes=3)
    job.provider.unanswered = 2

    assert job.lead() is Outcome.SUCCEEDED
    whole(job)
    assert len(job.provider.nodes) == 3


@pytest.mark.parametrize("written", [False, True], ids=["before the write", "after the write"])
def test_the_next_head_places_the_same_order_and_gets_the_same_nodes(
    tmp_path: Path, *, written: bool
) -> None:
    job = rented(tmp_path, 4, nodes=2, slots=2)
    job.store.written = written
    job.store.fatal = lambda _, batch: any('"created"' in body for body in batch)
    with pytest.raises(Crash):
        job.lead()
    job.store.fatal = None

    assert job.lead() is Outcome.SUCCEEDED
    whole(job)
    assert len(job.provider.nodes) == 2
    assert job.provider.orders == job.provider.orders[:1] * len(job.provider.orders)


def test_a_node_that_nobody_wants_any_more_is_asked_about_until_it_is_known(
    tmp_path: Path,
) -> None:
    job = rented(tmp_path)
    job.provider.fail("created", *[ProviderDown("throttled")])
    job.provider.unanswered = 1
    job.provider.fail("create", *[ProviderDown("throttled")] * 9)

    assert job.lead((3, lambda: job.ask(kind="cancel"))) is Outcome.CANCELLED
    assert job.provider.rented == set()
    assert [node.state for node in job.machine.nodes] == [NodeState.GONE]


def test_partial_success_is_the_normal_case(tmp_path: Path) -> None:
    job = rented(tmp_path, 10, nodes=10)
    job.provider.capacity = 3

    assert job.lead() is Outcome.SUCCEEDED
    whole(job)
    assert len(job.provider.orders[0].nodes) == 10


def test_an_offer_that_is_refused_for_good_leaves_the_others(tmp_path: Path) -> None:
    offers = [Offer("spot", rented=True, spot=True), Offer("on-demand", rented=True, rate=1.0)]
    job = rented(tmp_path, offers=offers)
    job.provider.fail("create", QuotaExceeded("L-34B43A08"))

    assert job.lead() is Outcome.SUCCEEDED
    assert job.machine.nodes[-1].offer == "on-demand"


def test_what_is_given_beyond_the_order_goes_straight_back(tmp_path: Path) -> None:
    """A refusal that the provider forgets is repeated with another answer."""
    job = rented(tmp_path, 2, seconds=5, nodes=2)
    job.provider.capacity, job.provider.unanswered = 1, 1

    def forget() -> None:
        job.provider.capacity = inf
        job.provider.forget_refusals()

    assert job.lead((0.5, forget)) is Outcome.SUCCEEDED
    assert job.provider.rented == set()


# --- exceptions everywhere ------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["connect", "watch", "locate", "aclose", "delete", "offers"])
def test_no_exception_of_an_adapter_ends_a_head(tmp_path: Path, verb: str) -> None:
    job = rented(tmp_path, 2, seconds=10)
    job.provider.fail(verb, ZeroDivisionError("adapter"), LookupError("adapter"))

    assert job.lead((3, lambda: job.provider.nodes["n0"].cut())) is Outcome.SUCCEEDED
    whole(job)


# --- what a provider says unasked -------------------------------------------------------------


def test_a_node_that_will_be_taken_gets_no_more_tasks_and_is_replaced_in_time(
    tmp_path: Path,
) -> None:
    job = rented(tmp_path, 6, seconds=40, nodes=5)
    provider = job.provider

    def reclaim() -> None:
        provider.capacity = 99
        provider.tell(Notice("n0", "taken", job.clock.now() + 120, "spot"))

    provider.capacity = 1
    assert job.lead((5, reclaim)) is Outcome.SUCCEEDED
    assert runs(job) == [(task, 1) for task in range(6)]
    assert [attempt.task for attempt in provider.nodes["n0"].began] == [0]
    assert job.clock.passed < 150
    assert provider.rented == set()


def test_what_still_runs_when_a_node_is_taken_runs_again_elsewhere(tmp_path: Path) -> None:
    job = rented(tmp_path, 1, seconds=200, nodes=2)
    provider = job.provider

    job.lead((5, lambda: provider.tell(Notice("n0", "taken", job.clock.now() + 120, "spot"))))

    assert runs(job) == [(0, 1), (0, 2)]
    assert [node.why for node in job.machine.nodes][:1] == ["spot"]


def test_tasks_of_a_node_that_is_gone_run_elsewhere_at_once(tmp_path: Path) -> None:
    job = rented(tmp_path, 1, seconds=20, nodes=2)
    provider = job.provider

    assert job.lead((5, lambda: provider.tell(Notice("n0", "gone", 0.0, "terminated")))) is (
        Outcome.SUCCEEDED
    )
    assert job.clock.passed < 40
    assert runs(job) == [(0, 1), (0, 2)]


def test_a_rented_node_that_falls_silent_is_looked_for(tmp_path: Path) -> None:
    job = rented(tmp_path, 1, seconds=20, nodes=2)

    assert job.lead((5, lambda: job.provider.vanish("n0"))) is Outcome.SUCCEEDED
    assert job.clock.passed < 60
    assert runs(job) == [(0, 1), (0, 2)]


def test_nothing_is_started_where_it_could_not_end_in_time(tmp_path: Path) -> None:
    job = rented(tmp_path, 4, seconds=100, nodes=2)
    provider = job.provider
    provider.capacity = 1

    def end() -> None:
        provider.capacity = 2
        provider.tell(Notice("n0", "ends", job.clock.now() + 250))

    job.lead((5, end))

    assert runs(job) == [(task, 1) for task in range(4)]
    assert len(provider.nodes["n0"].began) == 2


@pytest.mark.parametrize("seed", range(20))
def test_no_handle_is_at_two_nodes_and_none_is_forgotten_whatever_the_answers_are(
    tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    job = rented(tmp_path, 12, seconds=30.0, nodes=12)
    true_answers = job.provider.create

    async def shuffled(order: NodeOrder) -> AsyncIterator[Rented | Refused]:
        """Answer in any order, under any numbers, some twice, and now and then not to the end."""
        answers = [one async for one in true_answers(order)]
        taken = [one for one in answers if isinstance(one, Rented)]
        numbers = [one.node for one in taken]
        chance.shuffle(numbers)
        renamed = [one._replace(node=n) for one, n in zip(taken, numbers, strict=True)]
        for one in chance.sample(renamed, len(renamed)) + renamed[:1]:
            if chance.random() < 0.1:
                raise ProviderDown("throttled")
            yield one

    job.provider.create = shuffled  # type: ignore[method-assign]
    for _ in range(3):
        job.store.fatal = lambda _, batch: (
            any('"created"' in body for body in batch) and chance.random() < 0.5
        )
        try:
            job.lead()
            break
        except Crash:
            continue
    job.store.fatal = None
    job.lead()

    whole(job)
    created = [(event.handle, event.node) for event in job.journaled(ev.NodeCreated)]
    assert len({handle for handle, _ in created}) == len({node for _, node in created})
    assert len(set(created)) == len({node for _, node in created})


@pytest.mark.parametrize(
    "error", [NodeError("it has ended: Server.InternalError"), NotAuthorised("another host key")]
)
def test_a_rented_node_that_nobody_can_enter_says_nothing_of_the_others(
    tmp_path: Path, error: Exception
) -> None:
    job = rented(tmp_path)
    job.provider.fail("connect", error)

    assert job.lead() is Outcome.SUCCEEDED
    whole(job)
    assert len(job.machine.nodes) == 2

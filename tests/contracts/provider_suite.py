"""What every provider promises, whatever its nodes are; a kind says how its faults are made.

Verbs may be repeated, partial answers are normal, and nothing is said on a guess.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from batchio.core.plan import Offer
from batchio.core.traits import Trait
from batchio.errors import ProviderDown, Remedy
from batchio.ports import Finding, Held, Line, NodeOrder, Provider, Refused, Rented, Transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from batchio.core.spec import JobSpec
    from batchio.testing import FakeClock

T = TypeVar("T")


def _cannot(*_: object) -> None:
    raise NotImplementedError("nothing of the kind can happen to it")


@dataclass
class Kind:
    """One provider as it is tested; what can happen to it is needed by RentingSuite only.

    Attributes:
        limit: Have it give only so many nodes.
        break_call: Have the next call of a verb raise.
        delay_deletes: Have so many calls of `delete` confirm nothing.
        vanish: End a node without a word.
        clock: The time that its nodes live by.
    """

    provider: Provider
    spec: JobSpec
    limit: Callable[[int], None] = _cannot
    break_call: Callable[[str, Exception], None] = _cannot
    delay_deletes: Callable[[int], None] = _cannot
    vanish: Callable[[str], None] = _cannot
    clock: FakeClock | None = None

    def run(self, work: Callable[[], Awaitable[T]]) -> T:
        async def main() -> T:
            return await work()

        return self.clock.run(main()) if self.clock else asyncio.run(main())


async def all_of(items: AsyncIterator[T]) -> list[T]:
    return [item async for item in items]


async def order(kind: Kind, nodes: int = 2, token: str = "j1-0") -> NodeOrder:
    """An order over what it offers, node after node."""
    lines, first = [], 0
    for offer in await kind.provider.offers(kind.spec):
        count = min(offer.limit, nodes - first)
        if count > 0:
            lines.append(Line(offer, tuple(range(first, first + count))))
            first += count
    return NodeOrder(token, "j1", tuple(lines))


def handles(answers: list[Rented | Refused]) -> list[str]:
    return [one.handle for one in answers if isinstance(one, Rented)]


class ProviderSuite:
    """The promises; a class that inherits it has a fixture `kind`."""

    def test_offers_survive_the_journal_and_are_the_same_again(self, kind: Kind) -> None:
        async def twice() -> list[list[Offer]]:
            return [await kind.provider.offers(kind.spec) for _ in range(2)]

        one, other = kind.run(twice)
        assert one == other
        assert one
        assert [Offer.from_json(offer.to_json()) for offer in one] == one
        assert len({offer.id for offer in one}) == len(one)

    def test_an_order_is_answered_node_by_node_and_a_repeated_one_the_same(
        self, kind: Kind
    ) -> None:
        async def twice() -> tuple[NodeOrder, list[Any], list[Any]]:
            asked = await order(kind)
            first, second = [await all_of(kind.provider.create(asked)) for _ in range(2)]
            await kind.provider.delete(handles(first))
            return asked, first, second

        asked, one, other = kind.run(twice)
        assert sorted(answer.node for answer in one) == sorted(asked.nodes)
        assert one == other
        assert {type(answer) for answer in one} == {Rented}

    def test_a_node_can_be_reached_by_its_handle_alone(self, kind: Kind) -> None:
        async def said() -> bytes:
            [answer, *_] = await all_of(kind.provider.create(await order(kind, 1)))
            assert isinstance(answer, Rented)
            assert answer.handle in await kind.provider.locate([answer.handle])
            way = await kind.provider.connect(answer.handle)
            assert isinstance(way, Transport)
            done = await way.run(["echo", "here"])
            await way.close()
            await kind.provider.delete([answer.handle])
            return done.stdout + done.stderr

        assert re.search(rb"^here$|echo: not found", kind.run(said), re.MULTILINE)

    def test_what_is_deleted_is_confirmed_and_may_be_deleted_again(self, kind: Kind) -> None:
        async def twice() -> tuple[list[str], frozenset[str], frozenset[str]]:
            taken = handles(await all_of(kind.provider.create(await order(kind))))
            gone = [await kind.provider.delete(taken) for _ in range(2)]
            return taken, gone[0], gone[1]

        taken, first, second = kind.run(twice)
        assert first == second == set(taken)

    def test_held_names_what_is_rented_for_the_job_and_nothing_else(self, kind: Kind) -> None:
        async def looked() -> tuple[list[str], list[Held], list[Held], list[Held]]:
            taken = handles(await all_of(kind.provider.create(await order(kind))))
            held = await all_of(kind.provider.held("j1"))
            other = await all_of(kind.provider.held("j2"))
            await kind.provider.delete(taken)
            return taken, held, other, await all_of(kind.provider.held())

        taken, held, other, after = kind.run(looked)
        rents = Trait.RENTS in kind.provider.traits
        assert sorted(one.handle for one in held) == (sorted(taken) if rents else [])
        assert other == after == []

    def test_it_says_what_it_found_before_anything_is_taken(self, kind: Kind) -> None:
        async def checked() -> list[Finding]:
            return await kind.provider.check(kind.spec)

        assert all(isinstance(one, Finding) for one in kind.run(checked))

    def test_it_watches_without_an_error_and_ends_quietly(self, kind: Kind) -> None:
        async def watched() -> list[Any]:
            seen: list[Any] = []

            async def watch() -> None:
                seen.extend(await all_of(kind.provider.watch("j1")))

            watching = asyncio.create_task(watch())
            await asyncio.sleep(0)
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await kind.provider.aclose()
            return seen

        assert kind.run(watched) == []


class RentingSuite(ProviderSuite):
    """Further promises of those who rent: what may fail there, fails here."""

    def test_partial_success_names_every_node_once(self, kind: Kind) -> None:
        kind.limit(1)

        async def taken() -> list[Rented | Refused]:
            answers = await all_of(kind.provider.create(await order(kind, 3)))
            await kind.provider.delete(handles(answers))
            return answers

        answers = kind.run(taken)
        assert len(handles(answers)) == 1
        refused = [one for one in answers if isinstance(one, Refused)]
        assert sorted(node for one in refused for node in one.nodes) == [1, 2]
        assert {one.error.remedy for one in refused} <= {Remedy.OTHER, Remedy.FIX}

    @pytest.mark.parametrize("verb", ["create", "created"])
    @pytest.mark.parametrize("error", [TimeoutError(), KeyError("Instances")], ids=repr)
    def test_a_call_with_an_unknown_outcome_takes_no_node_twice(
        self, kind: Kind, verb: str, error: Exception
    ) -> None:
        kind.break_call(verb, error)

        async def again() -> tuple[list[str], list[str]]:
            asked = await order(kind)
            with pytest.raises((type(error), ProviderDown)):
                await all_of(kind.provider.create(asked))
            taken = handles(await all_of(kind.provider.create(asked)))
            held = [one.handle async for one in kind.provider.held("j1")]
            await kind.provider.delete(taken)
            return taken, held

        taken, held = kind.run(again)
        assert len(set(taken)) == 2
        assert sorted(taken) == sorted(held)

    def test_a_delete_is_confirmed_late_and_never_before(self, kind: Kind) -> None:
        kind.delay_deletes(2)

        async def asked() -> list[tuple[frozenset[str], int]]:
            taken = handles(await all_of(kind.provider.create(await order(kind))))
            seen = []
            for _ in range(3):
                gone = await kind.provider.delete(taken)
                seen.append((gone, len(await all_of(kind.provider.held("j1")))))
            return seen

        assert [(len(gone), held) for gone, held in kind.run(asked)] == [(0, 2), (0, 2), (2, 0)]

    def test_a_look_up_that_fails_raises_and_never_means_none(self, kind: Kind) -> None:
        kind.break_call("held", OSError("reset"))
        kind.break_call("locate", OSError("reset"))

        async def look() -> None:
            with pytest.raises((OSError, ProviderDown)):
                await all_of(kind.provider.held("j1"))
            with pytest.raises((OSError, ProviderDown)):
                await kind.provider.locate(["n0"])

        kind.run(look)

    def test_a_node_that_is_gone_cannot_be_located(self, kind: Kind) -> None:
        async def look() -> tuple[list[str], set[str]]:
            taken = handles(await all_of(kind.provider.create(await order(kind))))
            kind.vanish(taken[0])
            return taken, set(await kind.provider.locate(taken))

        taken, there = kind.run(look)
        assert there == {taken[1]}

"""States of a session with one node, and what may remain on the node: two tables. Pure.

Everything that a session does depends on these two alone; docs/design/states.md shows them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

from batchio.errors import IllegalEvent


class SessionState(StrEnum):
    """State of the head's session with one node."""

    REACHING = "reaching"
    """There is no connection: the session connects, or waits before the next try."""
    PREPARING = "preparing"
    """An agent greeted; the node's errands are run."""
    TALKING = "talking"
    """The machine knows that the node is ready; tasks may go to it."""
    PARTING = "parting"
    """The last log bytes are received, and good-bye is said."""
    RETURNING = "returning"
    """`leave` was called without a connection: the session connects once more, to clean up."""
    LOST = "lost"
    """The node was given up. No connection is made until `leave` is called."""
    PARTED = "parted"
    """The session is over. No fact leads out of this state."""


class Remains(StrEnum):
    """What the job may have left on the node."""

    NOTHING = "nothing"
    SOMETHING = "something"
    """Files, or an agent that the machine has not heard of."""
    AGENT = "agent"
    """The agent that the machine knows."""
    HUNG_AGENT = "hung agent"
    """The agent that the machine knows; it did not answer when it was last reached."""


class Fact(Enum):
    """What may happen between a head and a node."""

    BOOTSTRAPPED = "an agent may have been started"
    GREETED = "its agent said hello"
    PREPARED = "every errand is done, and the machine is told"
    BROKE = "the connection broke, or could not be made"
    HUNG = "its agent did not answer"
    GAVE_UP = "it is tried no more"
    LEAVE = "somebody asks to leave"
    SAID_BYE = "its agent said good-bye"
    DISOWNED = "its agent is expected to do nothing any more"
    CLEANED_UP = "nothing of ours is there any more, or it shall stay"


S, R, F = SessionState, Remains, Fact

EDGES: Final[dict[tuple[SessionState, Fact], SessionState]] = {
    (S.REACHING, F.BOOTSTRAPPED): S.REACHING,
    (S.REACHING, F.GREETED): S.PREPARING,
    (S.REACHING, F.BROKE): S.REACHING,
    (S.REACHING, F.HUNG): S.REACHING,
    (S.REACHING, F.GAVE_UP): S.LOST,
    (S.REACHING, F.LEAVE): S.RETURNING,
    (S.PREPARING, F.PREPARED): S.TALKING,
    (S.PREPARING, F.BROKE): S.REACHING,
    (S.PREPARING, F.HUNG): S.REACHING,
    (S.PREPARING, F.GAVE_UP): S.LOST,
    (S.PREPARING, F.LEAVE): S.RETURNING,
    (S.TALKING, F.BROKE): S.REACHING,
    (S.TALKING, F.HUNG): S.REACHING,
    (S.TALKING, F.LEAVE): S.PARTING,
    (S.PARTING, F.SAID_BYE): S.PARTED,
    (S.PARTING, F.BROKE): S.RETURNING,
    (S.PARTING, F.HUNG): S.RETURNING,
    (S.PARTING, F.DISOWNED): S.PARTING,
    (S.RETURNING, F.BOOTSTRAPPED): S.RETURNING,
    (S.RETURNING, F.GREETED): S.PARTING,
    (S.RETURNING, F.BROKE): S.RETURNING,
    (S.RETURNING, F.HUNG): S.RETURNING,
    (S.RETURNING, F.DISOWNED): S.RETURNING,
    (S.RETURNING, F.CLEANED_UP): S.PARTED,
    (S.RETURNING, F.GAVE_UP): S.PARTED,
    (S.LOST, F.LEAVE): S.RETURNING,
}

STALE: Final[dict[tuple[SessionState, Fact], str]] = {
    (S.PARTING, F.LEAVE): "asked twice",
    (S.RETURNING, F.LEAVE): "asked twice",
    (S.PARTED, F.LEAVE): "asked twice",
}
"""State and fact that may come twice, and change nothing; each with its reason."""

REMAINS: Final[dict[tuple[Remains, Fact], Remains]] = {
    (R.NOTHING, F.BOOTSTRAPPED): R.SOMETHING,
    (R.SOMETHING, F.PREPARED): R.AGENT,
    (R.HUNG_AGENT, F.PREPARED): R.AGENT,
    (R.AGENT, F.HUNG): R.HUNG_AGENT,
    (R.HUNG_AGENT, F.BROKE): R.AGENT,
    (R.AGENT, F.DISOWNED): R.SOMETHING,
    (R.HUNG_AGENT, F.DISOWNED): R.SOMETHING,
    **{(some, F.SAID_BYE): R.NOTHING for some in (R.SOMETHING, R.AGENT, R.HUNG_AGENT)},
    (R.SOMETHING, F.CLEANED_UP): R.NOTHING,
}
"""What remains after a fact; all other facts change nothing."""

FIRST_TRIES: Final = 3
"""Number of tries to reach a node that was never ready, before it is given up."""

BACKOFF_S: Final = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before the next try to connect; the last one repeats."""


@dataclass(slots=True)
class Standing:
    """State of a session, what remains on its node, and failures to connect."""

    state: SessionState = S.REACHING
    remains: Remains = R.NOTHING
    failures: int = 0
    """Number of tries in a row that did not lead to a ready node."""
    broken_at: float | None = None
    """When the first of these tries failed, in Unix seconds."""

    @property
    def known(self) -> bool:
        """Whether the machine knows the node's agent, so that it must be told about it."""
        return self.remains in (R.AGENT, R.HUNG_AGENT)

    @property
    def hopeless(self) -> bool:
        """Whether a node that was never ready has been tried FIRST_TRIES times."""
        return not self.known and self.failures >= FIRST_TRIES

    def step(self, fact: Fact, now: float) -> bool:
        """Fold one fact; return False when it is stale and nothing changed.

        Raises:
            IllegalEvent: `fact` cannot happen in this state. Nothing has changed.
        """
        pair = (self.state, fact)
        if pair in STALE:
            return False
        if pair not in EDGES:
            raise IllegalEvent(f"a session: {fact.name} while {self.state}")
        self.state = EDGES[pair]
        self.remains = REMAINS.get((self.remains, fact), self.remains)
        if fact in (F.BROKE, F.HUNG):
            self.failures += 1
            self.broken_at = now if self.broken_at is None else self.broken_at
        elif fact is F.PREPARED:
            self.failures, self.broken_at = 0, None
        return True

    def pause(self, node: int) -> float:
        """Return the seconds to wait before the next try; they differ from node to node."""
        base = BACKOFF_S[min(self.failures, len(BACKOFF_S)) - 1]
        return base * (0.75 + (node * 2654435761 + self.failures * 40503) % 1024 / 2048)

    def worth_returning(self, now: float, give_up: float) -> bool:
        """Return whether to connect once more to clean up; not to a node long out of reach.

        An agent that hangs is there: it can be ended, however long it has not answered.
        """
        return not self.failures or self.remains is R.HUNG_AGENT or now < give_up

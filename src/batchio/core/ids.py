"""Job ids: short, sorted by time as text, hard to misread, never a rude word. Pure.

Ten characters: eight count hundredths of a second since 2026 (enough until 2115), two are
random, for those who submit in the same hundredth.
"""

from __future__ import annotations

from typing import Final

ALPHABET: Final = "2456789bcdfghjklmnpqrstvwxz"
"""No vowels, no 0, 1, 3: the set Kubernetes names its pods with, for the same reasons
(k8s.io/apimachinery/pkg/util/rand). In ASCII order, so that ids sort as numbers do."""

LENGTH: Final = 10
RANDOM_BYTES: Final = 4
"""Number of random bytes that `job_id` needs."""

_EPOCH: Final = 1_767_225_600  # 2026-01-01 UTC
_TICKS_PER_S: Final = 100
_TAIL: Final = 2


def job_id(now: float, randomness: bytes) -> str:
    """Return the id of a job submitted at `now` (Unix seconds); `randomness` is RANDOM_BYTES."""
    ticks = max(int((now - _EPOCH) * _TICKS_PER_S), 0)
    noise = int.from_bytes(randomness, "big")
    return _digits(ticks, LENGTH - _TAIL) + _digits(noise, _TAIL)


def submitted_at(job: str) -> float:
    """Return when the job of this id was submitted, in Unix seconds, to the hundredth."""
    ticks = 0
    for digit in job[: LENGTH - _TAIL]:
        ticks = ticks * len(ALPHABET) + ALPHABET.index(digit)
    return _EPOCH + ticks / _TICKS_PER_S


def is_job_id(text: str) -> bool:
    """Return whether `text` has the form of a job id."""
    return len(text) == LENGTH and is_prefix(text)


def is_prefix(text: str) -> bool:
    """Return whether a job id could begin with `text`."""
    return 0 < len(text) <= LENGTH and not text.strip(ALPHABET)


def _digits(number: int, length: int) -> str:
    """Return the last `length` digits of `number`, written in base 27 with ALPHABET."""
    out = ""
    for _ in range(length):
        number, digit = divmod(number, len(ALPHABET))
        out = ALPHABET[digit] + out
    return out

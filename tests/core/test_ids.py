"""Job ids sort by time and are hard to misread."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from batchio.core.ids import ALPHABET, LENGTH, is_job_id, is_prefix, job_id

NOW = 1_795_000_000.0
TIMES = st.floats(1_767_225_600, 3_500_000_000)
NOISE = st.binary(min_size=4, max_size=4)


@given(TIMES, NOISE)
def test_an_id_has_its_length_and_only_clear_characters(now: float, noise: bytes) -> None:
    assert is_job_id(job_id(now, noise))


@given(TIMES, NOISE, NOISE, st.floats(0.02, 1e9))
def test_of_two_ids_the_later_one_is_the_greater_text(
    now: float, noise: bytes, other: bytes, later: float
) -> None:
    assert job_id(now, noise) < job_id(now + later, other)


def test_jobs_of_the_same_instant_differ_by_their_randomness() -> None:
    assert job_id(NOW, b"\0\0\0\1") != job_id(NOW, b"\0\0\0\2")


def test_an_id_never_changes_its_meaning() -> None:
    assert job_id(NOW, b"\0\0\1\2") == "2b7l9lg7dl"


def test_the_alphabet_is_in_the_order_in_which_texts_sort() -> None:
    assert list(ALPHABET) == sorted(set(ALPHABET))


def test_no_vowel_and_nothing_that_looks_like_one() -> None:
    assert not set(ALPHABET) & set("aeiouy013")


def test_words_with_other_characters_are_no_ids() -> None:
    assert not is_job_id("hello")
    assert not is_job_id("2" * LENGTH + "2")
    assert not is_job_id("o" * LENGTH)
    assert not is_prefix("")
    assert not is_prefix("-2")
    assert not is_prefix("2b v")
    assert is_prefix("2b")

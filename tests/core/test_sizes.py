"""Sizes and durations: what people type, and what people are shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchio.core.sizes import (
    GIB,
    MIB,
    Span,
    format_bytes,
    format_dollars,
    format_duration,
    parse_bytes,
    parse_cpu,
    parse_disk,
    parse_dollars,
    parse_duration,
    parse_memory,
)
from batchio.errors import UsageError


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("8 GiB", 8 * GIB),
        ("8GiB", 8 * GIB),
        ("8gib", 8 * GIB),
        ("8Gi", 8 * GIB),
        ("8GB", 8 * 10**9),
        ("512M", 512 * 10**6),
        ("512 Mi", 512 * MIB),
        ("1.5 TiB", 3 * 2**39),
        (".5kB", 500),
        ("1234", 1234),
        ("10 B", 10),
        ("1e9", 10**9),
        (" 2 PB ", 2 * 10**15),
    ],
)
def test_a_size_is_read_in_every_spelling(text: str, size: int) -> None:
    assert size == parse_bytes(text)


@pytest.mark.parametrize("text", ["", "GB", "8 bananas", "8GX", "-8GB", "8ib", "1.2.3", "0", "nan"])
def test_what_is_no_size_is_refused_with_the_accepted_forms(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_bytes(text)
    assert f'"{text}"' in str(refused.value)
    assert "8GiB" in (refused.value.hint or "")


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("8GiB", Span(8 * GIB, 8 * GIB)),
        ("16GB-32GB", Span(16 * 10**9, 32 * 10**9)),
        ("16GB - 32 GB", Span(16 * 10**9, 32 * 10**9)),
    ],
)
def test_memory_is_exact_or_a_range(text: str, span: Span) -> None:
    assert span == parse_memory(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("8", '"8" means only 8 B: the unit is missing'),
        ("32GB-16GB", '"32GB-16GB" is not in rising order'),
    ],
)
def test_memory_that_cannot_be_meant_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_memory(text)
    assert message == str(refused.value)


@pytest.mark.parametrize(
    ("text", "span"),
    [("4", Span(4, 4)), ("4-8", Span(4, 8)), ("0.5", Span(0.5, 0.5)), (" 4 - 8 ", Span(4, 8))],
)
def test_cores_are_exact_or_a_range(text: str, span: Span) -> None:
    assert span == parse_cpu(text)


@pytest.mark.parametrize("text", ["", "four", "8-4", "0", "-4", "4-", "4 cores", "inf"])
def test_what_is_no_core_count_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_cpu(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("100", 100 * GIB), ("100GB", 10**11), ("100 GiB", 100 * GIB), ("0.5", GIB // 2)],
)
def test_a_plain_disk_size_is_gib(text: str, size: int) -> None:
    assert size == parse_disk(text)


def test_what_is_no_disk_size_is_refused() -> None:
    with pytest.raises(UsageError, match='"big" is not a disk size'):
        parse_disk("big")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30 minutes", 1800),
        ("1h", 3600),
        ("1 hour", 3600),
        ("90s", 90),
        ("600", 600),
        ("0", 0),
        ("1:30", 90),
        ("1:30:00", 5400),
        ("2 days", 172800),
        ("1h30m", 5400),
        ("1h30", 5400),
        ("1h30m15", 5415),
        ("1 hour 30 minutes", 5400),
        ("1 hour and 30 minutes", 5400),
        ("1 hour, 30 min", 5400),
        ("0.5h", 1800),
        ("250ms", 0.25),
        ("2 Weeks", 1209600),
    ],
)
def test_a_duration_is_read_in_every_spelling(text: str, seconds: float) -> None:
    assert seconds == pytest.approx(parse_duration(text))


@pytest.mark.parametrize(
    "text", ["", "soon", "5 parsecs", "2d12", "1h 3x", "-5", "1:60:00", "0:75", "h"]
)
def test_what_is_no_duration_is_refused_with_the_accepted_forms(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_duration(text)
    assert f'"{text}" is not a duration' == str(refused.value)
    assert "30 minutes" in (refused.value.hint or "")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (8 * GIB, "8 GiB"),
        (8 * 10**9, "8 GB"),
        (1536 * MIB, "1536 MiB"),
        (123456789, "117.7 MiB"),
        (2**40 - 1, "1.0 TiB"),
    ],
)
def test_a_size_is_shown_exactly_where_that_is_short(size: int, text: str) -> None:
    assert text == format_bytes(size)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.0001, "1ms"),
        (0.25, "250ms"),
        (0.9999, "1s"),
        (3.21, "3.2s"),
        (59.97, "1m 00s"),
        (65, "1m 05s"),
        (3599.7, "1h 00m"),
        (7380, "2h 03m"),
        (273600, "3d 04h"),
        (-65, "-1m 05s"),
    ],
)
def test_a_duration_is_shown_in_two_units_at_most(seconds: float, text: str) -> None:
    assert text == format_duration(seconds)


@given(st.integers(1, 2**52))
def test_a_shown_size_reads_back_within_a_tenth_of_its_unit(size: int) -> None:
    assert parse_bytes(format_bytes(size)) == pytest.approx(size, rel=0.05)


@given(st.floats(0.001, 10**8))
def test_a_shown_duration_reads_back_nearly(seconds: float) -> None:
    shown = format_duration(seconds)
    assert parse_duration(shown) == pytest.approx(seconds, rel=0.06, abs=0.0005)  # whole ms


@pytest.mark.parametrize("text", ["-1", "-", "8GiB-", "-8GiB"])
def test_a_size_without_one_of_its_ends_is_named_whole(text: str) -> None:
    with pytest.raises(UsageError, match=f'^"{text}" is not a size$'):
        parse_memory(text)


@pytest.mark.parametrize("text", ["five", "", "-1", "5 EUR", "1e3", "$", "nan"])
def test_what_is_no_amount_of_money_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not an amount of money"):
        parse_dollars(text)


def test_small_amounts_of_money_are_shown_to_a_hundredth_of_a_cent() -> None:
    shown = [format_dollars(amount) for amount in (0.0, 0.00204, 0.19206, 2.5, 1234.5)]

    assert shown == ["$0.00", "$0.0020", "$0.1921", "$2.50", "$1,234.50"]

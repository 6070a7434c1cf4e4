"""Packs of log bytes: what is damaged of them hides nothing but itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchio.stores.log_packs import Origin, Piece, contents, merged, pack

PIECES = [Piece(0, 0, b"one\n"), Piece(1, 7, b"two\n"), Piece(0, 4, b"three\n")]
LATER = [Piece(0, 10, b"four\n")]


def held(data: bytes) -> list[tuple[int, int, bytes]]:
    found = contents(data)
    assert found is not None
    return [(node, offset, data[at : at + size]) for node, offset, size, at in found.places]


def test_packs_are_joined_and_pieces_that_follow_each_other_become_one() -> None:
    origins = {0: Origin("a", 3)}

    joined = merged([pack(PIECES, origins), pack(LATER, {})])

    assert held(joined) == [(0, 0, b"one\nthree\nfour\n"), (1, 7, b"two\n")]
    found = contents(joined)
    assert found is not None
    assert found.origins == origins


@pytest.mark.parametrize("damaged", [b"", b"{", b"\n", b"\xff" * 40, pack(PIECES, {})[:20]])
def test_a_pack_that_is_damaged_or_cut_short_hides_nothing_but_itself(damaged: bytes) -> None:
    assert held(merged([damaged, pack(LATER, {}), damaged])) == [(0, 10, b"four\n")]


@given(at=st.integers(0, 60), bit=st.integers(0, 7))
def test_a_flipped_bit_in_the_first_line_is_known(at: int, bit: int) -> None:
    data = bytearray(pack(PIECES, {}))
    at %= data.index(b"\n")
    data[at] ^= 1 << bit

    assert held(merged([bytes(data), pack(LATER, {})])) in (
        [(0, 10, b"four\n")],
        held(merged([pack(PIECES, {}), pack(LATER, {})])),  # what stands for the same number
    )

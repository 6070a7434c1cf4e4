"""The agent's JSON is that of `json`, to the byte."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import example, given, strategies as st

from batchio.agent import codec

TEXT = st.text(st.characters(codec=None, exclude_categories=()))
ATOMS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT
VALUES = st.recursive(
    ATOMS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=20
)


@given(VALUES)
@example("\ud800")
@example(1e308)
@example(-5e-324)
def test_what_is_written_is_what_json_writes(value: object) -> None:
    text = codec.dumps(value)

    assert text == json.dumps(value, separators=(",", ":"))
    assert codec.loads(text) == codec.loads(text.encode()) == value


@given(VALUES, st.sampled_from(["", " ", "\n\t", "\r\n"]), st.booleans())
def test_what_is_read_is_what_json_reads(value: object, blank: str, ascii_only: bool) -> None:
    text = blank + json.dumps(value, indent=1, ensure_ascii=ascii_only) + blank

    assert codec.loads(text.encode("utf-8", "surrogatepass")) == json.loads(text)


@given(st.text('[]{}",:0123456789.eE+-\\untrfalsI \x00é'))
def test_what_json_refuses_is_refused(text: str) -> None:
    try:
        value = json.loads(text)
    except ValueError:
        with pytest.raises(ValueError):  # noqa: PT011 - whichever it is
            codec.loads(text)
    else:
        assert codec.loads(text) == pytest.approx(value, nan_ok=True)


@pytest.mark.parametrize("text", [b"", b"\xff", b"[1", b"[1] 2", b"{'a':1}", b"\xef\xbb\xbf1"])
def test_malformed_bytes_are_a_value_error_although_json_was_never_imported(text: bytes) -> None:
    code = f"try: loads({text!r})\nexcept ValueError: print('refused')"
    assert _alone(code) == "refused\n"


def test_json_itself_serves_where_c_is_another() -> None:
    code = "import sys; sys.modules['_json'] = None"
    assert _alone("print(dumps(loads('[1.5,\"\\u20ac\"]')))", before=code) == '[1.5,"\\u20ac"]\n'


def test_what_json_cannot_say_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="bytes"):
        codec.dumps([b""])


def _alone(code: str, before: str = "") -> str:
    """What the codec's users print in a Python that has nothing else."""
    whole = f"{before}\nexec(open({codec.__file__!r}).read())\n{code}"
    words = [sys.executable, "-I", "-S", "-c", whole]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout

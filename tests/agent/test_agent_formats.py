"""Agent, head and the tests' client mean the same bytes, each by a definition of its own."""

from batchio.agent import spool, wire
from batchio.runtime import frames
from batchio.stores import log_records
from tests.agent import client


def test_a_log_record_begins_alike_for_all() -> None:
    assert spool.HEADER.format == log_records.HEADER.format == client.HEADER.format == "<IIHBBQ"
    assert spool.HEADER.size == 20


def test_a_frame_begins_alike_for_all() -> None:
    assert wire.FRAME.format == frames.FRAME.format == client.FRAME.format == ">IB"
    assert (wire.CONTROL, wire.LOG, wire.OUTPUT) == (frames.MESSAGES, frames.LOG, frames.OUTPUT)
    assert wire.MAX_FRAME == frames.LIMIT

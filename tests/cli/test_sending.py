"""What a person sees of files on their way to the nodes."""

from __future__ import annotations

from batchio.cli.progress import Pace, sent_text
from batchio.core.sending import Sending, preparing, sending
from tests.core.stories import Story


def test_all_nodes_are_counted_together() -> None:
    story = Story().offers("n").ready().booting().booting().booting()

    assert sending(story.machine, {1: [40, 100], 2: [100, 100]}) == Sending(240, 400, 2, 4)


def test_nothing_is_shown_when_no_node_receives() -> None:
    story = Story().offers("n").ready().booting()

    assert sending(story.machine, {0: [10, 100], 1: [100, 100]}) is None
    assert sending(story.machine, {}) is None
    assert preparing(story.machine.nodes[0], {0: [10, 100]}) == ""


def test_a_node_that_has_its_files_may_have_more_to_do() -> None:
    story = Story().offers("n").ready().booting().booting()
    seen: dict[int, list[int] | str] = {1: "getting the image big", 2: [10, 100]}

    assert preparing(story.machine.nodes[1], seen) == "getting the image big"
    assert preparing(story.machine.nodes[0], {0: "getting the image big"}) == ""
    assert sending(story.machine, seen) == Sending(210, 300, 2, 3)


def test_the_pace_tells_how_long_it_will_take() -> None:
    pace, files = Pace(), Sending(60 << 20, 100 << 20, 12, 200)

    assert pace.of(20 << 20, 0.0) is None
    assert sent_text(files, None) == "60 MiB of 100 MiB, 12 of 200 nodes"
    assert (
        sent_text(files, pace.of(files.sent, 4.0))
        == "60 MiB of 100 MiB, 10 MiB/s, 4s left, 12 of 200 nodes"
    )

"""A job in a few lines of text: its main facts, its failures, how it ended."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

from batchio.cli.terminal import painted, visible
from batchio.cli.words import COLOURS, clock, dollars, lasted, outcomes, plural, stamp, zoned
from batchio.core.concerns import Kind
from batchio.core.explain import clip
from batchio.core.last_words import advice
from batchio.core.verdict import tells

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchio.core.concerns import Concern
    from batchio.core.rows import FailureGroup
    from batchio.core.views import JobView

GROUPS_SHOWN: Final = 5


def header_lines(view: JobView) -> Iterator[str]:
    """Yield the lines about a job that `status` prints above the table."""
    state = view.standing.replace("_", " ")
    yield f"job        {view.id}  {painted(state, COLOURS.get(view.standing, ''), sys.stdout)}"
    yield f"verdict    {visible(view.verdict.text)}"
    if view.verdict.command:
        yield f"           {view.verdict.command}"
    if view.why and view.why not in view.verdict.text:
        yield f"why        {visible(view.why)}"
    if view.name != view.command:
        yield f"name       {visible(view.name)}"
    yield f"command    {visible(view.command)}"
    yield f"tasks      {view.counts.total}: {outcomes(view.counts)}"
    if view.retries or view.infra_retries:
        yield f"retries    {view.retries} after failures, {view.infra_retries} after lost nodes"
    yield f"submitted  {zoned(view.submitted)}, {_age(view)}"
    yield f"provider   {view.provider}{_nodes(view)}"
    if view.cost is not None:
        yield f"cost       {_cost(view)}"
    if view.packages:
        yield f"packages   {view.packages}"
    if view.leaving:
        yield f"outputs    {visible(view.outputs)}"
    for at, text in view.notes:
        yield f"note       {stamp(at)} {visible(text)}"
    for concern in view.concerns:
        if tells(view.verdict, concern):
            continue
        yield f"attention  {concern_line(concern)}"


def concern_line(concern: Concern, *, ended: bool = True) -> str:
    """Return one concern as a line: its text, and when it began; `ended`: how often it was tried.

    While it goes on the number of tries would be old at once, so the line leaves it out.
    """
    told = [visible(concern.text), concern.often(0.0) if ended else ""]
    since = f" (since {clock(concern.since)})" if concern.since and ended else ""
    return "; ".join(filter(None, told)) + since


def _age(view: JobView) -> str:
    if view.finished is not None:
        return f"finished {stamp(view.finished)}, took {lasted(view.duration)}"
    return f"{lasted(max(time.time() - view.submitted, 0.0))} ago"


def _nodes(view: JobView) -> str:
    alive = [node for node in view.nodes if node.state not in ("draining", "gone")]
    if not view.nodes:
        return ""
    if not alive:
        return f", {plural(len(view.nodes), 'node')} released"
    slots = sum(node.slots or 0 for node in alive)
    names = visible(", ".join(node.name for node in alive[:3]))
    more = ", …" if len(alive) > 3 else ""
    return f", {plural(len(alive), 'node')} with {plural(slots, 'slot')}: {names}{more}"


def _cost(view: JobView) -> str:
    """Return what the job's nodes cost so far, and cost each hour while there are some."""
    told = [dollars(view.cost)]
    if view.hourly:
        told.append(f"so far, {dollars(view.hourly)} an hour now")
    wasted = f"; {dollars(view.wasted)} of it went to attempts in vain" if view.wasted else ""
    return " ".join(told) + wasted


def failure_lines(view: JobView) -> Iterator[str]:
    """Yield lines about groups of tasks that ended badly: how many, how, ids, last words."""
    groups = view.failures(attempts=True)
    for group in groups[:GROUPS_SHOWN]:
        head = plural(group.count, "task") if group.count else plural(group.attempts, "attempt")
        head += f" {group.outcome.replace('_', ' ')}"
        if group.cause not in (group.outcome.replace("_", " "), view.why):  # said already
            head += f", {visible(group.cause)}"
        yield f"{head}: {clip(group.ids)}" if group.count else f"{head}, and began anew"
        if group.last_words:
            yield f"    {visible(group.last_words)}"
        if group.attempts > 1:
            yield f"    {_when(group)}"
        if hint := advice(group.last_words):
            yield f"    hint: {visible(hint)}"
    if more := [group for group in groups[GROUPS_SHOWN:] if group.count]:
        yield f"{plural(sum(g.count for g in more), 'more task')} in {len(more)} other ways"


def _when(group: FailureGroup) -> str:
    """Return when and where attempts failed alike, and whether more do."""
    told = [plural(group.attempts, "attempt")] if group.attempts > group.count else []
    first, last = clock(group.first), clock(group.last)
    told.append(f"at {first}" if first == last else f"from {first} to {last}")
    told.append(f"on {plural(len(group.nodes), 'node')}" if group.nodes[1:] else "")
    if group.nodes[:1] and not group.nodes[1:]:
        told[-1] = f"all on {visible(group.nodes[0])}"
    return ", ".join([*filter(None, told), *(["still going on"] if group.going_on else [])])


def ending_lines(view: JobView) -> Iterator[str]:
    """Yield lines that say how a job that was waited for ended, and its failures."""
    word = view.standing
    shown = painted(word.replace("_", " "), COLOURS.get(word, ""), sys.stderr)
    took, counts = lasted(_took(view)), view.counts
    paid = "" if view.cost is None else f", for {dollars(view.cost)}"
    if word == "succeeded":
        yield f"{shown}: {plural(counts.total, 'task')} in {took}{paid}"
        yield from _concerned(view)
        return
    why = f" ({visible(view.why)})" if view.why and view.why != word else ""
    yield f"{shown}{why}: {outcomes(counts)} of {plural(counts.total, 'task')}, in {took}{paid}"
    for line in failure_lines(view):
        yield f"  {line}"
    yield from _concerned(view)


def _concerned(view: JobView) -> Iterator[str]:
    """Yield a line for each thing to know of the job's nodes; many of one reason are one line."""
    for text in list(dict.fromkeys(text for _, text in view.notes))[-GROUPS_SHOWN:]:
        yield f"  note: {visible(text)}"
    groups: dict[tuple[str, str], list[Concern]] = {}
    for concern in view.concerns:
        if concern.kind == Kind.FEWER:  # it was said before there was a job, and is no trouble
            continue
        if concern.why and concern.why in view.why and concern.name in view.why:
            continue
        groups.setdefault((concern.kind, concern.why), []).append(concern)
    for alike in groups.values():
        for concern in alike[:GROUPS_SHOWN]:
            yield f"  {concern_line(concern)}"
        if more := alike[GROUPS_SHOWN:]:
            names = visible(", ".join(concern.name for concern in more))
            yield f"  the same for {len(more)} more: {names}"


def _took(view: JobView) -> float:
    """Return the seconds that the job took since submission, or since it was recovered."""
    if view.epoch > 1 and view.started and view.finished:
        return view.finished - view.started
    return view.duration


def next_steps(view: JobView) -> list[tuple[str, str]]:
    """Return commands to type after a job that did not succeed, each with its purpose."""
    if view.standing == "succeeded":
        return []
    steps = [(f"batchio retry {view.id} --failed", "run the failed tasks again")]
    groups = view.failures()
    if groups and groups[0].outcome != "lost":
        first = groups[0].ids.split(",")[0].split("-")[0]
        steps.insert(0, (f"batchio logs {view.id} --task {first}", "what it printed"))
        steps.insert(1, (f"batchio explain {view.id}/{first}", "why it failed"))
    elif groups:
        steps.insert(0, (f"batchio explain {view.id}", "why"))
    return steps

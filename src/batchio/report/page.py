"""The page of a report: templates filled with what was gathered, as one file."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from batchio.core.pace import often
from batchio.core.sizes import format_bytes, format_duration
from batchio.core.verdict import CALM
from batchio.core.visible import visible
from batchio.report.charts import ended_svg, lanes_png

if TYPE_CHECKING:
    from batchio.report.gathering import Gathered

HERE: Final = Path(__file__).parent

LANE_PX: Final = 7
"""Height of a node's lane on the page, in pixels."""


def page(found: Gathered) -> str:
    """Return the report as one HTML page."""
    script = (HERE / "page.js").read_text("utf-8")
    style = (HERE / "page.css").read_text("utf-8")
    return (
        _templates()
        .get_template("page.html")
        .render(
            found=found,
            view=found.view,
            calm=found.view.verdict.kind in CALM,
            policy=_policy(script, style),
            script=Markup(script),  # noqa: S704 - a file of ours
            style=Markup(style),  # noqa: S704 - a file of ours
            chart=_chart(found),
            lanes=lanes_png([row for _, row in found.rows]),
            lanes_px=LANE_PX * max(len(found.rows), 1),
            rate=_rate(found),
        )
    )


def _policy(script: str, style: str) -> str:
    """Return the Content-Security-Policy: nothing is loaded, and nothing runs but our script."""
    return (
        f"default-src 'none'; img-src data:; script-src '{_hash(script)}'; "
        f"style-src '{_hash(style)}'; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _templates() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "lines": _lines,
        "moment": _moment,
        "lasted": lambda seconds: "" if seconds is None else format_duration(seconds),
        "size": lambda size: "" if size is None else format_bytes(size),
        "number": lambda number: f"{number:,}",
        "plain": lambda word: word.replace("_", " "),
    }
    return made


def _shown(value: Any) -> Any:
    """Return a value as it is put into the page: text cannot control what it is shown on."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _lines(text: str) -> Markup:
    """Return text of several lines, each made visible, with its line breaks."""
    return Markup("\n").join(visible(line) for line in text.split("\n"))


def _moment(at: float | None) -> str:
    """Write Unix seconds as date and time in UTC; "" for None, and for what is no date."""
    try:
        return "" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return "?"


def _chart(found: Gathered) -> Markup:
    ended, failed = sum(found.lanes.ended), sum(found.lanes.failed)
    said = (
        f"Attempts that ended between {_moment(found.since)} and {_moment(found.until)} UTC: "
        f"{ended:,}, of which {failed:,} failed; at most {max(found.lanes.ended):,} in "
        f"{format_duration((found.until - found.since) / len(found.lanes.ended))}."
    )
    return ended_svg(found.lanes.ended, found.lanes.failed, said)


def _rate(found: Gathered) -> str:
    """Return how many tasks were done in a second, a minute or an hour; "" before one was."""
    done, seconds = found.view.counts.done, found.until - found.since
    return often(done / seconds) if done and seconds > 0 else ""

"""A report says what a job did in one file that asks nothing of anybody, and harms nobody."""

from __future__ import annotations

import base64
import gzip
import html
import json
import re
import shutil
import struct
import subprocess
import sys
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Final

import pytest

from batchio.core import events as ev
from batchio.core.select import select
from batchio.extras import how_to_install
from batchio.report import packing
from batchio.stores.folder_logs import FolderLogs
from tests.core.stories import JOB, T0, Story, mixed
from tests.house.skips import OPTIONAL
from tests.stores.spools import Spool

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.terminal import Terminal

NASTY: Final = '</script><script>alert(1)</script>" onload="x" \udcff\x1b[31m <b>&amp;'
"""What somebody could print or be called, with a byte that is no UTF-8 and a control character."""

FILTERS: Final = (
    "", "failed", "!failed", "running pending", "bad", "exit:3", "exit:-9,0", "exit:kill", "try:2",
    ">4s", "<4s", "id:2,4-5", "!id:4-99", "node:laptop", "node:lap*", "!node:other", "node:top",
    "row", '"bad row"', '!"bad row" failed', "out", "running !node:laptop", "s3://x", "done",
)  # fmt: skip


class Page(HTMLParser):
    """Its tags with their attributes, its text by tag, and its headings."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.headings: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "input", "img", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "rect":
            assert self.open.pop() == tag, "tags are closed in their order"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("h1", "h2", "h3"):
            self.headings.append(data)
        if "script" not in self.open and "style" not in self.open:
            self.words.append(data)


def told() -> Story:
    """Six tasks: succeeded, failed, out of memory, tried again, running and waiting."""
    story = Story("2,4-6,8-9", max_retries=1).offers("laptop").ready(slots=8)
    story.start(0, 1, 2, 3).end(0).end(1, code=3, tail=NASTY)
    story.end(2, code=-9, reason="oom", at=7).end(3, code=3, tail="ValueError: bad row 3")
    return story.requeue(3).start(3, at=6).end(3, code=3, tail="a bad row").start(4, at=8)


def written(terminal: Terminal, *words: str) -> str:
    seen = terminal.type("report", JOB, "-o", "report.html", "--force", *words)
    assert (seen.code, seen.out) == (0, "report.html\n")
    return (terminal.folder / "report.html").read_text("utf-8")


def test_a_report_says_what_status_says_and_more(terminal: Terminal) -> None:
    terminal.keep(told())

    page = Page(written(terminal))
    text = " ".join("".join(page.words).split())

    assert not page.open, "every tag is closed"
    assert page.headings[0] == "process.py"
    assert [one for one in page.headings if one in ("What ran", "Failures", "Nodes", "Tasks")]
    assert "No process runs it." in text
    assert f"batchio recover {JOB}" in text
    assert "process.py '$BATCHIO_TASK_INPUT'" in text
    assert "6: 1 succeeded, 3 failed, 1 running, 1 pending" in text
    assert "The job was not done when this was written" in text
    assert "1 task failed, SIGKILL, out of memory" in text
    assert f"cd {JOB}-5" in text


def test_it_asks_nothing_of_a_network_and_runs_no_script_but_its_own(terminal: Terminal) -> None:
    terminal.keep(told())

    text = written(terminal)
    page = Page(text)
    [policy] = [a["content"] for tag, a in page.tags if a.get("http-equiv")]
    asked = [a[k] for _, a in page.tags for k in ("src", "href", "action", "data") if k in a]

    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    assert all(one and one.startswith(("data:image/png", "#")) for one in asked)
    assert not [a for _, a in page.tags for name in a if name.startswith("on") or name == "style"]
    assert [tag for tag, _ in page.tags].count("script") == 2, "the data, and our script"
    assert not re.search(r"url\(|@import|fetch\(|XMLHttp|eval\(|innerHTML", text)


def test_what_others_chose_is_shown_as_it_is(terminal: Terminal) -> None:
    terminal.keep(told())

    shown = "".join(Page(written(terminal)).words)

    assert '</script><script>alert(#)</script>" onload="x" \\xff\\x1b[#m <b>&amp;' not in shown
    assert '</script><script>alert(1)</script>" onload="x" \\xff\\x1b[31m <b>&amp;' in shown


def test_pictures_have_texts_and_tables_have_captions_and_headers(terminal: Terminal) -> None:
    terminal.keep(told())

    text = written(terminal)
    page = Page(text)

    assert all(a.get("alt") for tag, a in page.tags if tag == "img")
    assert "<title>Attempts that ended between" in text
    tables = [tag for tag, _ in page.tags if tag in ("table", "caption")]
    assert tables.count("table") == tables.count("caption")
    assert all(a.get("scope") for tag, a in page.tags if tag == "th")
    assert ("html", {"lang": "en"}) in page.tags


def test_the_last_lines_of_an_example_stand_there(terminal: Terminal) -> None:
    terminal.keep(told().close())
    spool = Spool(FolderLogs(terminal.workspace.job(JOB).folder / "logs"), 0)
    for number in range(60):
        spool.print(T0 + 3, 1, f"line {number} <i>\n".encode())

    text = written(terminal)

    assert "line 59 &lt;i&gt;" in text
    assert "line 10 &lt;i&gt;" in text
    assert "line 9 &lt;i&gt;" not in text


def unpacked(text: str) -> dict[str, list[float]]:
    """The columns, as the script of the page reads them; see `packing`."""
    [found] = re.findall(r'id="data">([^<]*)<', text)
    data = gzip.decompress(base64.b64decode(found))
    (size,) = struct.unpack_from("<I", data)
    head = json.loads(data[4 : 4 + size])
    at, out = 4 + size, {}
    for name, code, width in head["columns"]:
        planes = [data[at + place * head["count"] :][: head["count"]] for place in range(width)]
        flat = bytes(byte for row in zip(*planes, strict=True) for byte in row)
        out[name] = list(struct.unpack(f"<{head['count']}{code}", flat))
        at += width * head["count"]
    assert at == len(data)
    return out


def test_the_columns_are_those_of_the_tasks(terminal: Terminal) -> None:
    terminal.keep(told())

    columns = unpacked(written(terminal))

    assert columns["id"] == [2, 2, 1, 1, 2, 1], "steps from one id to the next"
    assert columns["attempt"] == [1, 1, 1, 2, 1, 1]
    assert columns["exit"] == [0, 3, -9, 3, 0, 0]
    assert columns["took"][:3] == [3001, 3001, 5001], "milliseconds, counted from 1"
    assert columns["node"] == [0, 0, 0, 0, 0, -1]


def test_of_too_many_tasks_the_bad_ones_stand_there_and_the_rest_is_said(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "MOST", 10)
    story = Story("0-99").offers("a").ready("a", 100).start(*range(99))
    terminal.keep(story.end(*range(90)).end(97, 98, code=1))

    text = written(terminal)

    assert "Of 100 tasks this table has 10" in text
    assert "The remaining 90 are in the sums above only" in text
    assert unpacked(text)["id"] == [0, 1, 1, 1, 1, 1, 1, 1, 90, 1]


def test_a_job_that_has_just_begun_and_one_of_thirty_days_have_sane_reports(
    terminal: Terminal,
) -> None:
    terminal.keep(Story("0-3"))
    assert "No attempt failed." in written(terminal)

    month = 30 * 86400.0
    other = Story("0-3", "2b7l9lg7dl").offers("a").ready("a", 9).start(0, 1)
    terminal.keep(other.end(0, at=month).end(1, at=-5e9).close(at=month))
    assert terminal.type("report", "2b7l9lg7dl", "-o", "month.html").code == 0
    assert "30d 00h" in (terminal.folder / "month.html").read_text("utf-8")


def test_what_is_damaged_is_said_and_the_rest_is_there(terminal: Terminal) -> None:
    import sqlite3

    terminal.keep(mixed().close())
    path = terminal.workspace.job(JOB).folder / "journal.sqlite"
    with sqlite3.connect(path) as journal:
        journal.execute("UPDATE events SET body = '[' || body WHERE seq = 8")
    journal.close()
    for segment in ("0", "1"):
        folder = terminal.workspace.job(JOB).folder / "logs" / segment
        folder.mkdir(parents=True)
        (folder / f"{0:020d}").write_bytes(b"\xff" * 100)

    text = written(terminal)

    assert "A part of the journal is damaged, and left out here" in text
    assert "journal.sqlite" in text or "event 8 of the journal" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-o", "ws"), "ws is a folder"),
        (("-o", "there.html"), "there.html is there already"),
        (("-o", "nowhere/r.html"), "there is no folder nowhere"),
        (("-o", "/dev/null"), "/dev/null is no file"),
        (("2b7l9lg7dl",), "2b7l9lg7dl"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    terminal: Terminal, words: tuple[str, ...], said: str
) -> None:
    terminal.keep(mixed())
    (terminal.folder / "there.html").write_text("mine")

    seen = terminal.type("report", *words)

    assert seen.code == 2
    assert said in seen.err
    assert len(seen.err.splitlines()) <= 2
    assert (terminal.folder / "there.html").read_text() == "mine"
    assert sorted(path.name for path in terminal.folder.iterdir()) == ["there.html", "ws"]


def test_without_jinja2_it_says_how_to_have_it(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal.keep(mixed())
    monkeypatch.setitem(sys.modules, "batchio.report.page", None)
    monkeypatch.setitem(sys.modules, "batchio.report.gathering", None)

    seen = terminal.type("report", JOB)

    assert seen.code == 2
    assert f"hint: {how_to_install('report')}" in seen.err


DRIVER: Final = """
<script>addEventListener("load", () => setTimeout(() => {
  const found = {};
  for (const text of %s) {
    const field = document.getElementById("filter");
    field.value = text;
    field.dispatchEvent(new Event("input"));
    found[text] = [...document.querySelectorAll("#rows th")].map((one) => Number(one.textContent));
  }
  document.getElementById("filter").value = ">10x";
  document.getElementById("filter").dispatchEvent(new Event("input"));
  document.body.setAttribute("data-said", document.getElementById("said").textContent);
  document.body.setAttribute("data-left", document.querySelectorAll("#rows tr").length);
  document.body.setAttribute("data-found", JSON.stringify(found));
}, 500))</script>"""


def browse(page: Path) -> tuple[str, str]:
    """The document as Chromium made it, and what it said on its console."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip(f"{OPTIONAL}chromium is not installed")
    done = subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
         f"--user-data-dir={page.parent}/chromium", "--virtual-time-budget=5000",
         "--host-resolver-rules=MAP * ~NOTFOUND", "--dump-dom", page.as_uri()],
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    return done.stdout, "\n".join(re.findall(r"CONSOLE.*", done.stderr))


def test_a_browser_shows_it_without_an_error_and_filters_as_the_command_line_does(
    terminal: Terminal,
) -> None:
    story = told()
    terminal.keep(story)
    whole, driven = terminal.folder / "report.html", terminal.folder / "driven.html"
    text = written(terminal)
    free = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    driven.write_text(free.replace("</body>", f"{DRIVER % json.dumps(FILTERS)}</body>"))

    shown, errors = browse(whole)
    tried, more = browse(driven)

    assert (errors, more) == ("", "")
    assert "6 of 6 tasks" in shown
    found = json.loads(_unescaped(re.search(r'data-found="([^"]*)"', tried)))
    ids = story.machine.running_job.spec.tasks
    for typed, rows in found.items():
        chosen = select(story.machine, typed, (), story.machine.at)
        assert rows == [ids.at(position) for position in chosen], typed
    assert "is not a duration" in _unescaped(re.search(r'data-said="([^"]*)"', tried))
    assert 'data-left="0"' not in tried, "the table stays when a filter makes no sense"


def _unescaped(found: re.Match[str] | None) -> str:
    assert found is not None
    return html.unescape(found[1])


def test_an_ended_job_says_how_it_ended(terminal: Terminal) -> None:
    story = Story("0-1").offers("a").ready().start(0, 1).end(0, 1).close()
    story.tell(ev.Noted(T0 + 20, "a <note>"))
    terminal.keep(story)

    text = written(terminal)

    assert "All 2 tasks succeeded, in 9s." in text
    assert "a &lt;note&gt;" in text
    assert "was not done when" not in text

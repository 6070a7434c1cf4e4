"""Make docs/images/dashboard.svg, the picture of the dashboard: a real job, as it runs.

`python -m docs.dashboard_picture` runs it in a workspace that is thrown away. The picture names
no font of others, so it asks nothing of a network.
"""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from pathlib import Path
from typing import Final

from batchio import api
from batchio_tui import Dashboard, JobPane
from batchio_tui.app import JobScreen

PICTURE: Final = Path(__file__).parent / "images" / "dashboard.svg"
SIZE: Final = (92, 18)
SCRIPT: Final = """\
import os, random, sys, time
task = int(os.environ["BATCHIO_TASK_ID"])
time.sleep(random.Random(task).uniform(0.1, 0.5))
if task % 10 == 3:
    sys.exit(f"ValueError: bad row {task} in part-{task}.csv")
"""
_FONT: Final = re.compile(r"@font-face \{.*?\}", re.DOTALL)
_ID: Final = re.compile(r"terminal-\d+")


async def drawn() -> str:
    """Run a job, and return its dashboard when two thirds of it are done, as SVG."""
    job = await api.run(["{python}", "process.py"], ntasks=120, slots=4, max_retries=1)
    app = Dashboard(job)
    async with app.run_test(size=SIZE) as pilot:
        while done_of(app) < 80:
            await pilot.pause(0.1)
        return app.export_screenshot(title="batchio run --dashboard process.py")


def done_of(app: Dashboard) -> int:
    """Return how many tasks are done, as the dashboard knows."""
    pane: JobPane | None = app.screen.pane if isinstance(app.screen, JobScreen) else None
    return 0 if pane is None or pane.live is None else pane.live.view.counts.done


def main() -> None:
    """Run the job and keep the picture."""
    here = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BATCHIO_WORKSPACE"] = f"{folder}/ws"
        os.environ["COLORTERM"] = "truecolor"
        os.chdir(folder)
        Path("process.py").write_text(SCRIPT)
        svg = asyncio.run(drawn())
        os.chdir(here)
    svg = _ID.sub("dashboard", _FONT.sub("", svg)).replace("&#160;", "\u00a0")
    PICTURE.write_text("\n".join(line.rstrip() for line in svg.splitlines() if line.strip()) + "\n")


if __name__ == "__main__":
    main()

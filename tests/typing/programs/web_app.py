"""A web application on asyncio: submit, look, stream what happens and what is printed, cancel."""
# pyright: reportUnknownMemberType=false
# (tornado's own methods take a dict of anything)

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

import batchio

if TYPE_CHECKING:
    from collections.abc import Awaitable


def _say_nothing(_: RequestHandler) -> None:
    """Keep no log of answers."""


class Handler(RequestHandler):
    """What all handlers share: errors of batchio are answers."""

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log what is nobody's mistake; the rest is the answer."""
        if not isinstance(value, batchio.BatchioError):
            super().log_exception(typ, value, tb)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with the error's own words."""
        error = kwargs["exc_info"][1]
        if isinstance(error, batchio.BatchioError):
            codes: dict[type[batchio.BatchioError], int] = {
                batchio.UsageError: 422,
                batchio.NoSuchJob: 404,
            }
            self.set_status(codes.get(type(error), 500))
            self.finish({"error": error.message, "hint": error.hint, "code": error.code})
        else:
            super().write_error(status_code, **kwargs)


class Jobs(Handler):
    """The jobs: POST submits one, GET lists them."""

    async def post(self) -> None:
        """Submit a job."""
        asked: dict[str, Any] = json.loads(self.request.body)
        job = await batchio.run(asked["command"], ntasks=asked.get("ntasks"))
        self.write({"id": job.id, "name": job.name})

    async def get(self) -> None:
        """List the newest jobs."""
        jobs = await batchio.list_jobs(limit=20)
        self.write({"jobs": [job.to_json() for job in jobs]})


class OneJob(Handler):
    """One job: GET looks at it, DELETE cancels it."""

    async def get(self, job: str) -> None:
        """Return the job and its tasks."""
        view = await batchio.status(job)
        self.write({"state": view.standing, "tasks": [task.to_json() for task in view.tasks()]})

    async def delete(self, job: str) -> None:
        """Cancel the job."""
        await (await batchio.open_job(job)).cancel(why="asked for in the browser")
        self.set_status(204)


class Events(Handler):
    """What happens, as server-sent events, while it happens."""

    async def get(self, job: str) -> None:
        """Stream the events until the job is done."""
        self.set_header("Content-Type", "text/event-stream")
        opened = await batchio.open_job(job)
        async for event in opened.events():
            self.write(f"event: {event['event']}\ndata: {json.dumps(event)}\n\n")
            await self.flush()


class Logs(Handler):
    """What the tasks print, while they print it."""

    async def get(self, job: str) -> None:
        """Stream lines until the job is done."""
        async for line in (await batchio.open_job(job)).logs(follow=True):
            self.write(f"{line.task} {line.stream} {line.text}\n")
            await self.flush()


def application() -> Application:
    """Return the application."""
    return Application(
        [
            ("/jobs", Jobs),
            ("/jobs/([^/]+)", OneJob),
            ("/jobs/([^/]+)/events", Events),
            ("/jobs/([^/]+)/logs", Logs),
        ],
        log_function=_say_nothing,
    )


async def main() -> None:
    """Serve, be one's own client, and print what a browser would have seen."""
    server = HTTPServer(application())
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    here = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    client = AsyncHTTPClient()

    async def asked(method: str, path: str, body: Any = None) -> str:
        text = json.dumps(body) if body is not None else None
        answer = await client.fetch(HTTPRequest(here + path, method=method, body=text))
        return answer.body.decode()

    def submit(command: str, ntasks: int = 1) -> Awaitable[str]:
        return asked("POST", "/jobs", {"command": command, "ntasks": ntasks})

    many = await asyncio.gather(*(submit(f"echo hello {n}", 2) for n in range(10)))
    ids: list[str] = [json.loads(answer)["id"] for answer in many]
    streams = await asyncio.gather(*(asked("GET", f"/jobs/{job}/events") for job in ids))
    print("events end with", {text.strip().split("\n")[-2] for text in streams})
    print("lines", sorted((await asked("GET", f"/jobs/{ids[3]}/logs")).splitlines()))
    print("state", json.loads(await asked("GET", f"/jobs/{ids[3]}"))["state"])

    long = json.loads(await submit("sleep 600"))["id"]
    await asked("DELETE", f"/jobs/{long}")
    await asked("GET", f"/jobs/{long}/events")
    print("cancelled", json.loads(await asked("GET", f"/jobs/{long}"))["state"])
    print("jobs", len(json.loads(await asked("GET", "/jobs"))["jobs"]))
    for method, path, body in (("POST", "/jobs", {"command": ""}), ("GET", "/jobs/none", None)):
        try:
            await asked(method, path, body)
        except HTTPClientError as refused:
            assert refused.response is not None
            print(refused.code, json.loads(refused.response.body))
    server.stop()


asyncio.run(main())

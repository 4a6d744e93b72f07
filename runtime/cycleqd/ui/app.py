"""Answers requests for pages and documents; all of them GET or HEAD, none with an effect.

Ids, tasks and candidates out of an address are looked up among those that are there, never joined
to a path of the host.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from cycleqd.errors import CycleQDError, StoreError
from cycleqd.ui.comparison import MOST_COMPARED, comparison
from cycleqd.ui.documents import listing_document, run_document
from cycleqd.ui.heatmap import heatmap
from cycleqd.ui.links import Links
from cycleqd.ui.members import member_look
from cycleqd.ui.pages import COMPLETE_SECONDS, LIVE_SECONDS, TYPES, Pages, static_files
from cycleqd.ui.reports import newest_report, report_file
from cycleqd.ui.root import BelowRoot
from cycleqd.ui.run_page import run_context
from cycleqd.ui.security import HEALTH, REPORT_POLICY, KnownNames, SecureHeaders

if TYPE_CHECKING:
    from starlette.requests import Request

    from cycleqd.ui.reading import RunReader
    from cycleqd.ui.views import RunLook
    from cycleqd.ui.watching import Watch

PATIENCE_SECONDS = 1.0
"""How long a page waits for a store; it then shows what is known and asks again."""

AGED_PATIENCE_SECONDS = 0.25
"""The same of the list where it was known already: a look at many runs takes longer than that."""

DOCUMENT_PATIENCE_SECONDS = 10.0
"""The same of a document, which nobody asks again for."""


class LivePage:
    """The handlers of all addresses.

    Args:
        watch: looks at the runs.
        root: path that all addresses begin with.
    """

    def __init__(self, watch: Watch, root: str) -> None:
        self._watch = watch
        self._links = Links(root)
        self._static = static_files()
        self._pages = Pages(self._static, watch.uri, self._links)

    def routes(self) -> list[Route]:
        """Addresses and who answers them."""
        answers: dict[str, Callable[[Request], Response]] = {
            "/": self.runs,
            "/compare": self.compare,
            "/runs/{run}": self.run,
            "/runs/{run}/archives/{task}": self.archive,
            "/runs/{run}/members/{candidate}": self.member,
            "/runs/{run}/report/{path:path}": self.report,
            "/api/runs": self.runs_document,
            "/api/runs/{run}": self.run_document,
            "/static/{name}": self.static,
            HEALTH: lambda _: PlainTextResponse("ok\n"),
        }
        return [Route(path, answer, methods=["GET"]) for path, answer in answers.items()]

    def runs(self, request: Request) -> Response:
        """The list of runs."""
        listing = self._watch.runs(PATIENCE_SECONDS, AGED_PATIENCE_SECONDS)
        return self._live(request, "runs", self._links.home, LIVE_SECONDS, {"listing": listing})

    def run(self, request: Request) -> Response:
        """A run's page."""
        reader, look = self._found(request, PATIENCE_SECONDS)
        curves = self._curves(look)
        life, life_waits = self._watch.life(look, AGED_PATIENCE_SECONDS)
        context = {
            **run_context(reader, look, life),
            **curves,
            "life_waits": life_waits,
            "problem": self._watch.problem(look.id),
            "report": newest_report(reader.run.objects),
        }
        seconds = LIVE_SECONDS if life_waits or curves["waiting"] else _seconds(look)
        return self._live(request, "run", self._links.run_page(look.id), seconds, context)

    def archive(self, request: Request) -> Response:
        """An archive as a heatmap."""
        reader, look = self._found(request, PATIENCE_SECONDS)
        task = request.path_params["task"]
        if task not in look.tasks:
            raise HTTPException(
                404, f"The run has no task of this name; it has {_list(look.tasks)}."
            )
        view = reader.archive(task, look.generation) if look.generation >= 0 else None
        axes = tuple(other for other in look.tasks if other != task)
        x, y = _axes(request.query_params, len(axes))
        context = {
            "look": look,
            "task": task,
            "axes": axes,
            "x": x,
            "y": y,
            "view": view,
            "map": None if view is None else heatmap(view, x, y),
        }
        address = self._links.archive_page(look.id, task, x, y)
        return self._live(request, "archive", address, _seconds(look), context)

    def member(self, request: Request) -> Response:
        """A candidate's page."""
        reader, look = self._found(request, PATIENCE_SECONDS)
        member = member_look(reader, look, request.path_params["candidate"])
        if member is None:
            raise HTTPException(404, "The run has no candidate of this name.")
        context = {"look": look, "member": member}
        address = self._links.member_page(look.id, member.candidate)
        return self._live(request, "member", address, COMPLETE_SECONDS, context)

    def compare(self, request: Request) -> Response:
        """Runs side by side."""
        ids = list(dict.fromkeys(request.query_params.getlist("run")))[:MOST_COMPARED]
        looks = self._watch.several(ids, PATIENCE_SECONDS)
        histories = self._watch.histories(looks, PATIENCE_SECONDS)
        context = {
            "comparison": comparison(looks, [history.rows for history in histories]),
            "waiting": sum(history.waiting for history in histories),
            "missing": len(ids) - len(looks),
        }
        seconds = max((_seconds(look) for look in looks), default=COMPLETE_SECONDS)
        address = self._links.compare_page([look.id for look in looks])
        return self._live(request, "compare", address, seconds, context)

    def report(self, request: Request) -> Response:
        """A file of a report out of the store."""
        reader, _ = self._found(request, PATIENCE_SECONDS)
        found = report_file(reader.run.objects, request.path_params["path"])
        if found is None:
            raise HTTPException(404, "The store holds no such file of a report.")
        data, kind = found
        policy = {"content-security-policy": REPORT_POLICY}
        return Response(data, media_type=kind, headers=policy)

    def runs_document(self, _: Request) -> Response:
        """All runs as JSON."""
        return JSONResponse(listing_document(self._watch.runs(DOCUMENT_PATIENCE_SECONDS)))

    def run_document(self, request: Request) -> Response:
        """A run as JSON."""
        try:
            reader, look = self._found(request, DOCUMENT_PATIENCE_SECONDS)
            joining = reader.joining(look.generation) if look.phase == "revisiting" else None
            document = run_document(
                look,
                reader.stages(look),
                joining,
                reader.revisions(),
                self._watch.problem(look.id),
            )
        except HTTPException as error:
            return JSONResponse({"error": error.detail}, error.status_code)
        except CycleQDError as error:
            return JSONResponse({"error": str(error)}, 503)
        return JSONResponse(document)

    def static(self, request: Request) -> Response:
        """A file that pages load; its address changes when it does."""
        name = request.path_params["name"]
        if name not in self._static:
            raise HTTPException(404, "There is no such file.")
        lasting = {"cache-control": "public, max-age=31536000, immutable"}
        return Response(self._static[name], media_type=TYPES[name], headers=lasting)

    def refused(self, _: Request, error: Exception) -> Response:
        """What is not there, or not allowed."""
        assert isinstance(error, HTTPException)
        title = "Not found" if error.status_code == 404 else "Not possible"
        context = {"title": title, "message": error.detail}
        html = self._pages.page("error", None, context)
        return HTMLResponse(html, error.status_code, headers=error.headers)

    def failed(self, _: Request, error: Exception) -> Response:
        """What could not be read from the store."""
        away = isinstance(error, StoreError)
        context = {"title": "The store does not answer as it should", "message": str(error)}
        return HTMLResponse(self._pages.page("error", None, context), 503 if away else 500)

    def _found(self, request: Request, patience: float) -> tuple[RunReader, RunLook]:
        found = self._watch.run(request.path_params["run"], patience)
        if found is None:
            raise HTTPException(404, "There is no run of this id below the prefix.")
        return found

    def _curves(self, look: RunLook) -> dict[str, Any]:
        history = self._watch.history(look.id, look.generation, PATIENCE_SECONDS)
        drawn = comparison([look], [history.rows]).charts if history.rows else ()
        return {"charts": drawn, "waiting": history.waiting}

    def _live(
        self,
        request: Request,
        name: str,
        address: str,
        seconds: int,
        context: Mapping[str, Any],
    ) -> Response:
        """A page, or what of it has changed, or nothing where nothing has."""
        live = self._pages.live(name, address, seconds, context)
        if request.headers.get("hx-request") == "true":
            if request.query_params.get("seen") == live.digest:
                return Response(status_code=204)
            return HTMLResponse(str(live.html))
        return HTMLResponse(self._pages.page(name, live, context))


def make_app(watch: Watch, hosts: Sequence[str] = ("*",), root: str = "") -> Starlette:
    """The application.

    Args:
        watch: looks at the runs.
        hosts: names by which browsers may call it; another site's name is refused, lest that site
            reads what only this machine may.
        root: path that the page stands below, as of `cycleqd.ui.root.root_of`.
    """
    page = LivePage(watch, root)
    app = Starlette(
        routes=page.routes(),
        middleware=[
            Middleware(SecureHeaders),
            Middleware(BelowRoot, root),
            Middleware(KnownNames, hosts),
        ],
        exception_handlers={HTTPException: page.refused, CycleQDError: page.failed},
    )
    # It would name the scheme and the host that the proxy speaks to, not those of the browser.
    app.router.redirect_slashes = False
    return app


def _seconds(look: RunLook) -> int:
    return COMPLETE_SECONDS if look.complete else LIVE_SECONDS


def _axes(query: Mapping[str, str], count: int) -> tuple[int, int]:
    """The two axes of an archive that an address names; the first two where it names none."""
    chosen = []
    for name, default in (("x", 0), ("y", 1)):
        text = query.get(name, "")
        chosen.append(int(text) if text.isdecimal() and len(text) < 5 else default)
    x, y = (number if number < count else 0 for number in chosen)
    if x == y:
        y = next((number for number in range(count) if number != x), 0)
    return x, y


def _list(names: Sequence[str]) -> str:
    return ", ".join(names)

"""The label server: the page and its requests.

An annotator is identified by an unguessable link. Images are requested by position, never by name: no path comes from
outside, and nobody sees other annotators' images.
"""

from __future__ import annotations

import asyncio
import html
import logging
import re
import secrets
import socket
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from pydantic import Field
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from semsim.errors import SemsimError
from semsim.labelling.connections import CONNECTIONS, KEEP_ALIVE, client_of, guarded
from semsim.labelling.guards import RateLimit, SecureHeaders, read_json
from semsim.labelling.links import TOKEN
from semsim.labelling.store import Conflict, Refused, UnknownLink
from semsim.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from semsim.labelling.campaign import Campaign
    from semsim.labelling.store import Store

PAGE = files("semsim.labelling") / "page"
LOGGER = logging.getLogger("uvicorn.error")
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
LOOPBACK = ("127.0.0.1", "localhost")
PARTICIPANT = re.compile(r"[\w.-]{1,100}", re.ASCII)
ANNOTATOR_RATE = {"rate": 10, "burst": 40}  # requests by one annotator: an answer takes two
STRANGER_RATE = {"rate": 2, "burst": 40}  # requests from one address without a valid link


class Nothing(Settings):
    """The body of a request without content."""


class Join(Settings):
    """A request for a link."""

    name: str | None = Field(max_length=60)


class Undo(Settings):
    """A request to undo an answer; requests with the same key count once."""

    position: int = Field(ge=0, le=9_999_999)
    key: str = Field(pattern="^[A-Za-z0-9-]{8,64}$")


class Answer(Undo):
    """What an annotator saw in the image at a position."""

    label: int = Field(ge=-1, le=1_000_000)
    seconds: float | None = Field(ge=0, le=1_000_000)


class Desk:
    """Passes requests to the store, which works in its own thread.

    Requests that arrive while the store waits for the disk are carried out together in the next transaction.
    """

    def __init__(self, store: Store):
        self._store = store
        self._thread = ThreadPoolExecutor(1)
        self._waiting = []
        self._work = None

    async def ask(self, request: Callable) -> Any:
        """Call `request`, a function that uses the store, and return its result once it is on disk."""
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append((request, answer))
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._carry_out())
        return await answer

    async def _carry_out(self):
        while self._waiting:
            batch, self._waiting = self._waiting, []
            requests = [request for request, _ in batch]
            try:
                work = asyncio.get_running_loop().run_in_executor(self._thread, self._store.carry_out, requests)
                outcomes = await work
            except Exception as error:  # nothing of the batch was stored, so every request fails
                outcomes = [error] * len(batch)
            for (_, answer), outcome in zip(batch, outcomes, strict=True):
                if answer.done():  # the client has gone
                    continue
                if isinstance(outcome, Exception):
                    answer.set_exception(outcome)
                else:
                    answer.set_result(outcome)


class LabelServer:
    """Answers the requests of the page.

    Parameters
    ----------
    campaign : semsim.labelling.campaign.Campaign
    store : semsim.labelling.store.Store
    public : bool
        Whether only invited annotators and a panel's participants may take part. Otherwise anyone at this machine takes
        part under a name of their choice.
    """

    def __init__(self, campaign: Campaign, store: Store, public: bool):
        self._campaign, self._store, self._public = campaign, store, public
        self._links = store.links
        self._desk = Desk(store)
        self._annotators, self._strangers = RateLimit(**ANNOTATOR_RATE), RateLimit(**STRANGER_RATE)
        self._files = {path.name: path.read_bytes() for path in PAGE.iterdir() if path.suffix in MEDIA_TYPES}

    def app(self) -> Starlette:
        """Return the ASGI application."""
        files = [Route(f"/{name}", self._file(name)) for name in ("page.css", "page.js", "icon.svg")]
        routes = [
            Route("/", self._home),
            Route("/p/{key}", self._panel),
            Route("/a/{token}", self._slash),
            Route("/a/{token}/", self._page),
            Route("/a/{token}/campaign", self._texts),
            Route("/a/{token}/state", self._where),
            Route("/a/{token}/consent", self._consent, methods=["POST"]),
            Route("/a/{token}/answers", self._answer, methods=["POST"]),
            Route("/a/{token}/undo", self._undo, methods=["POST"]),
            Route("/a/{token}/images/{position}", self._image),
        ]
        guards = [Middleware(SecureHeaders)]
        if not self._public:
            routes.append(Route("/join", self._join, methods=["POST"]))
            # Against DNS rebinding: a page of another origin could resolve its name to this machine.
            guards.append(Middleware(TrustedHostMiddleware, allowed_hosts=list(LOOPBACK)))
        failures = {HTTPException: _failed, Refused: _refused, sqlite3.Error: _not_stored}
        app = Starlette(routes=[*files, *routes], middleware=guards, exception_handlers=failures)
        app.router.redirect_slashes = False  # such a redirect names the host and scheme that the client asked for
        return app

    def _file(self, name, status=200):
        async def send(request):
            return Response(self._files[name], status, media_type=MEDIA_TYPES[Path(name).suffix])

        return send

    def _notice(self, title, message):
        """Return a page with only a message."""
        text = self._files["notice.html"].decode()
        text = text.replace("{title}", html.escape(title)).replace("{message}", html.escape(message))
        return Response(text, 404, media_type=MEDIA_TYPES[".html"])

    async def _home(self, request):
        if self._public:
            return self._notice("You need your own link", "Open the link that you were given.")
        return await self._file("index.html")(request)

    async def _join(self, request):
        self._strangers.spend(_client(request))
        body = await read_json(request, Join)
        _, token = await self._desk.ask(partial(self._store.invite, body["name"] or None))
        return JSONResponse({"link": f"/a/{token}/"})

    async def _panel(self, request):
        self._strangers.spend(_client(request))
        panel = self._campaign.settings.panel
        key = request.path_params["key"].encode()
        if panel is None or not secrets.compare_digest(key, self._links.panel_key.encode()):
            return self._notice("Unknown link", "Open the link exactly as you were given it.")
        participant = request.query_params.get(panel.parameter, "")
        if not PARTICIPANT.fullmatch(participant):
            where = f"Open the study from your panel's page, which adds {panel.parameter} to the link."
            return self._notice("Your ID is missing", where)
        if panel.signed and not self._links.signed(participant, request.query_params.get("signature", "")):
            return self._notice("Unknown link", "Open the study from your panel's page, which signs your ID.")
        return RedirectResponse(f"/a/{self._store.admit(participant)}/", 303)

    async def _slash(self, request):
        """Lead a link whose last character was lost to the page."""
        token = request.path_params["token"]
        if not TOKEN.fullmatch(token):
            return self._notice("Unknown link", "Open the link exactly as you were given it.")
        return RedirectResponse(f"/a/{token}/", 303)

    async def _page(self, request):
        try:
            await self._ask(request, self._store.state)
        except UnknownLink:
            return self._notice("Unknown link", "Open the link exactly as you were given it.")
        return await self._file("index.html")(request)

    async def _texts(self, request):
        state = await self._ask(request, self._store.state)
        names = {"title", "question", "classes", "forced_choice"}
        texts = self._campaign.settings.model_dump(mode="json", include=names)
        texts |= {"consent": self._campaign.consent, "instructions": self._campaign.instructions}
        return JSONResponse(texts | {"name": state.name, "images_each": self._campaign.images_each})

    async def _where(self, request):
        return JSONResponse(self._described(await self._ask(request, self._store.state)))

    async def _consent(self, request):
        self._strangers.spend(_client(request))  # a participant who agrees takes room, and may be made up
        return await self._change(request, Nothing, self._store.consent)

    async def _answer(self, request):
        return await self._change(request, Answer, self._store.answer)

    async def _undo(self, request):
        return await self._change(request, Undo, self._store.undo)

    async def _image(self, request):
        position = request.path_params["position"]
        if not re.fullmatch("[0-9]{1,7}", position):
            raise HTTPException(404, "There is no such image.")
        image = await self._ask(request, self._store.image, position=int(position))
        try:
            content = self._campaign.picture(image)  # small, so faster than a thread
        except (OSError, SemsimError) as error:
            LOGGER.error("%s", error)
            raise HTTPException(503, "The picture cannot be shown just now.") from None
        return Response(content, media_type="image/png", headers={"Cache-Control": "private, max-age=3600"})

    async def _change(self, request, model, method):
        """Let the store change something, and return the annotator's new state."""
        body = await read_json(request, model)

        def change_and_look(token):
            method(token, **body)
            return self._store.state(token)

        try:
            return JSONResponse(self._described(await self._ask(request, change_and_look)))
        except Conflict as conflict:
            state = await self._ask(request, self._store.state)
            return JSONResponse({"error": str(conflict), "state": self._described(state)}, 409)

    async def _ask(self, request, method, **arguments):
        """Ask the store about the annotator with this link; unknown links are rate-limited by address."""
        token = request.path_params["token"]
        try:
            if not TOKEN.fullmatch(token):
                raise UnknownLink("Unknown link.")
            self._annotators.spend(token)
            return await self._desk.ask(partial(method, token, **arguments))
        except UnknownLink:
            self._strangers.spend(_client(request))
            raise

    def _described(self, state):
        """Return what the page may know: neither the image's name nor why it is shown."""
        done = state.consented and state.image is None
        panel = self._campaign.settings.panel if done else None
        return {
            "consented": state.consented,
            "done": done,
            "position": state.position,
            "total": state.total,
            "dataset": self._campaign.datasets[state.image] if state.image else None,
            "assignment": state.assignment,
            "code": (panel.completion_code or state.code) if panel else None,
            "completion_url": panel.completion_url if panel else None,
        }


def _client(request):
    return client_of(request.client.host) if request.client else "unknown"


def _failed(request, failure):
    return JSONResponse({"error": failure.detail}, failure.status_code, failure.headers)


def _refused(request, refusal):
    status = {UnknownLink: 404, Conflict: 409}.get(type(refusal), 422)
    return JSONResponse({"error": str(refusal)}, status)


def _not_stored(request, error):
    return JSONResponse({"error": "Nothing could be stored just now. Try again."}, 503, {"Retry-After": "2"})


def serve(
    campaign: Campaign,
    store: Store,
    host: str,
    port: int,
    public: bool,
    announce: Callable,
    proxies: Sequence[str] = (),
) -> None:
    """Serve a campaign until the process is stopped.

    Parameters
    ----------
    campaign : semsim.labelling.campaign.Campaign
    store : semsim.labelling.store.Store
    host : str
    port : int
        0 takes any free port.
    public : bool
        As for `LabelServer`.
    announce : callable
        Called with the server's address, such as ``http://127.0.0.1:8765``, once connections are accepted.
    proxies : sequence of str
        Addresses or networks of web servers that are believed when they say for whom they ask (``X-Forwarded-For``).

    Raises
    ------
    SemsimError
        If the address cannot be used, or links cannot be made.
    """
    if not public and host not in LOOPBACK:
        raise SemsimError(f"--host {host}: others could connect. Add --public, so that everyone needs a personal link.")
    if proxies and not public:
        raise SemsimError("--proxy: only with --public.")
    app = LabelServer(campaign, store, public).app()
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=CONNECTIONS)
    except (OSError, OverflowError) as error:
        raise SemsimError(f"{host}, port {port}: cannot be used ({error}). Try another --port, or --port 0.") from None
    shown = f"[{host}]" if ":" in host else host
    announce(f"http://{shown}:{listener.getsockname()[1]}")
    uvicorn.Server(configured(app, proxies)).run(sockets=[listener])


def configured(app: Starlette, proxies: Sequence[str] = ()) -> uvicorn.Config:
    """Return how an application is served: which limits hold, and whose headers are believed."""
    return uvicorn.Config(
        app,
        http=guarded(proxies),
        log_level="error",  # warnings are about clients, who could fill a disk with them
        use_colors=False,  # control characters are not sent to terminals, see semsim.commandline
        access_log=False,  # links are secrets
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=3,
        h11_max_incomplete_event_size=16384,
        ws="none",
        lifespan="off",
    )

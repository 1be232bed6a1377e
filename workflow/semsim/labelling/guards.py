"""What protects a label server: response headers, and limits on the size, form and rate of requests."""

from __future__ import annotations

import asyncio
import json
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from pydantic import ValidationError
from starlette.exceptions import HTTPException

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request as HttpRequest

    from semsim.settings import Settings

LARGEST_BODY = 4096  # bytes
SLOWEST_BODY = 10  # seconds
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "X-Robots-Tag": "noindex, nofollow",
}
"""Sent with every response."""


class SecureHeaders:
    """Middleware that adds `HEADERS` to every response, and forbids caching unless the response allows it."""

    def __init__(self, app: Callable):
        self._app = app
        self._headers = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]

    async def __call__(self, scope, receive, send):
        async def send_with_headers(message):
            if message["type"] == "http.response.start":
                headers = [*message["headers"], *self._headers]
                if not any(name == b"cache-control" for name, _ in headers):
                    headers.append((b"cache-control", b"no-store"))
                message = message | {"headers": headers}
            await send(message)

        await self._app(scope, receive, send_with_headers)


async def read_json(request: HttpRequest, model: type[Settings]) -> dict:
    """Return the JSON body of a request, as a dict.

    Only the media type of JSON is accepted: pages of other origins cannot send it without a preflight request.

    Parameters
    ----------
    request : starlette.requests.Request
    model : type of semsim.settings.Settings
        What it has to be.

    Raises
    ------
    starlette.exceptions.HTTPException
        415, 413, 408 or 400, if the body is of another type, too large, too slow, or not of that model.
    """
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "Send application/json.")
    body = b""
    try:
        async with asyncio.timeout(SLOWEST_BODY):
            async for part in request.stream():
                body += part
                if len(body) > LARGEST_BODY:
                    raise HTTPException(413, f"A request has at most {LARGEST_BODY} bytes.")
    except TimeoutError:
        raise HTTPException(408, "The request came too slowly.") from None
    try:
        content = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise HTTPException(400, "Not valid JSON.") from None
    try:
        return model.model_validate(content).model_dump()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise HTTPException(400, f"{where or 'body'}: not valid ({first['type']}).") from None


def _refuse_constant(name):
    raise ValueError(f"{name} is not JSON")


class RateLimit:
    """Allows each client `burst` requests at once, and `rate` per second after that.

    Parameters
    ----------
    rate : float
    burst : int
    known : int
        How many of the most recent clients are remembered.
    clock : callable
        Returns seconds.
    """

    def __init__(self, rate: float, burst: int, known: int = 10_000, clock: Callable = time.monotonic):
        self._rate, self._burst, self._known, self._clock = rate, burst, known, clock
        self._seen = OrderedDict()  # who: (requests left, at which time)

    def spend(self, who: str) -> None:
        """Count a request.

        Raises
        ------
        starlette.exceptions.HTTPException
            429, with the seconds to wait, if there were too many.
        """
        now = self._clock()
        left, then = self._seen.pop(who, (self._burst, now))
        left = min(self._burst, left + (now - then) * self._rate)
        allowed = left >= 1
        self._seen[who] = (left - allowed, now)
        if len(self._seen) > self._known:
            self._seen.popitem(last=False)
        if not allowed:
            wait = {"Retry-After": str(int((1 - left) / self._rate) + 1)}
            raise HTTPException(429, "Too many requests. Wait a moment.", headers=wait)

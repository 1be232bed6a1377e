"""A web site on this machine, as unreliable as a test wants it."""

import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Site:
    """Serves `files`, from the byte that is asked for.

    Attributes
    ----------
    url : str
        Ends with "/".
    files : dict of str to bytes
    moods : list of str, int or callable
        What the next requests meet, one after the other: a status to refuse them with; "cut", the connection ends half
        way; "wrong", other bytes; "whole", the range is ignored; "slow"; "stuck", nothing more comes after one half.
        A function is called with the request and answers it. Later ones are served well.
    asked : list of (str, str or None)
        The path and the range of each request so far.
    """

    def __init__(self):
        self.files, self.moods, self.asked = {}, [], []
        self.closing = threading.Event()

    def answer(self, request):
        name, asked_range = request.path.lstrip("/"), request.headers["Range"]
        self.asked.append((name, asked_range))
        mood = self.moods.pop(0) if self.moods else "good"
        if callable(mood):
            mood(request)
            return
        if isinstance(mood, int) or name not in self.files:
            request.send_error(mood if isinstance(mood, int) else 404)
            return
        content = self.files[name]
        start = int(asked_range.removeprefix("bytes=").removesuffix("-")) if asked_range and mood != "whole" else 0
        if start and start >= len(content):
            request.send_error(416)
            return
        body = content[start:] if mood != "wrong" else bytes(len(content) - start)
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if mood == "slow":
            time.sleep(1)
        request.wfile.write(body[: len(body) // 2] if mood in ("cut", "stuck") else body)
        if mood == "stuck":
            request.wfile.flush()
            self.closing.wait(60)


@contextmanager
def served():
    """Serve a `Site` as long as the block lasts."""
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            site.answer(self)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.url = f"http://127.0.0.1:{server.server_address[1]}/"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield site
    finally:
        site.closing.set()
        server.shutdown()
        server.server_close()

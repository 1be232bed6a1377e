"""Requests for files: encrypted, uncompressed, and given up where a server is slow or leads in circles."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

TIMEOUTS = (15, 60)
"""Seconds to wait for a connection, and for the next bytes."""
SLOWEST_ANSWER = 120
"""Seconds from a request to the end of the answer's headers, however steadily they come."""
MOST_REDIRECTIONS = 10
LOOPBACK = frozenset(("127.0.0.1", "::1", "localhost"))
"""Hosts that may be asked without encryption, if a file is requested from there: this machine, in tests."""


class DownloadFailed(Exception):
    """A file was not downloaded; the message says why, in a few words."""


@contextmanager
def _within(seconds, connection):
    """End a connection that is not through with the block in time, and raise a TimeoutError."""
    late = threading.Event()

    def end():
        late.set()
        with suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if late.is_set():
            raise TimeoutError


class _Connection(urllib3.connection.HTTPConnection):
    def getresponse(self):
        with _within(SLOWEST_ANSWER, self):
            return super().getresponse()


class _SecureConnection(urllib3.connection.HTTPSConnection):
    def getresponse(self):
        with _within(SLOWEST_ANSWER, self):
            return super().getresponse()


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Adapter(requests.adapters.HTTPAdapter):
    """Connections that wait for headers as a whole: a limit on each wait lets a server send a byte now and then."""

    def init_poolmanager(self, *arguments, **options):
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


class Client(requests.Session):
    """A session that asks for files as they are, encrypted, and follows redirections itself.

    Parameters
    ----------
    url : str
        What is asked first. Only if it is on this machine, this machine may be asked without encryption.
    """

    def __init__(self, url: str):
        super().__init__()
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter())
        here = urlsplit(url)
        self._plain = here.netloc if here.scheme == "http" and here.hostname in LOOPBACK else None

    def get_redirect_target(self, response: requests.Response) -> None:
        """Keep `requests` from following redirections, which would read their pages, however long."""

    def ask(self, url: str, begun: int = 0) -> requests.Response:
        """Return the answer to a request for a file, with its body unread.

        Parameters
        ----------
        url : str
        begun : int
            The first byte to send.

        Returns
        -------
        requests.Response

        Raises
        ------
        DownloadFailed
            If the file is, or has moved, where it would not be sent encrypted, or moves on and on.
        requests.RequestException
            If the server does not answer or refuses.
        """
        # With transfer compression, byte positions would not be those of the file.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={begun}-"} if begun else {})
        for _ in range(MOST_REDIRECTIONS):
            place = urlsplit(url)
            if place.scheme != "https" and (place.scheme, place.netloc) != ("http", self._plain):
                raise DownloadFailed(f"{url[:200]!r} is not an https address")
            response = self.get(url, headers=headers, stream=True, timeout=TIMEOUTS)
            if not response.is_redirect:
                return response
            response.close()
            url = urljoin(url, response.headers["Location"])
        raise DownloadFailed(f"more than {MOST_REDIRECTIONS} redirections")

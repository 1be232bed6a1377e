"""Connections to a label server: how many, and for how long, so that nobody holds them without using them."""

from __future__ import annotations

from functools import lru_cache, partial
from ipaddress import IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

CONNECTIONS = 800
CONNECTIONS_EACH = 100  # from one address; people behind one router share theirs
KEEP_ALIVE = 10  # seconds without a byte after a reply
SLOWEST_HEADER = 15  # seconds from connecting, or from a reply, to the next complete header
SLOWEST_REQUEST = 60  # seconds from there until all of the reply is on its way
LARGEST_REST = 65536  # bytes of a body that are still taken once the reply is out
FAREWELL = 1  # seconds in which a client whose body is not taken can read the reply


@lru_cache(10_000)
def client_of(address: str) -> str:
    """Return what stands for one client: an IPv4 address, or the network of 2^64 addresses that an IPv6 client has."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if ip.version == 4 or ip.ipv4_mapped:
        return str(ip if ip.version == 4 else ip.ipv4_mapped)
    return str(IPv6Network((int(ip), 64), strict=False))


def guarded(proxies: Sequence[str]) -> Callable:
    """Return a protocol for uvicorn that guards connections; those of trusted proxies are not counted."""
    return partial(GuardedConnection, networks=[ip_network(proxy) for proxy in proxies])


class GuardedConnection(H11Protocol):
    """A connection that is closed when its client is too slow, sends what nobody reads, or has too many of them."""

    def __init__(self, *arguments, networks, **options):
        super().__init__(*arguments, **options)
        self._networks = networks
        self._timer: asyncio.TimerHandle | None = None
        self._answering = False
        self._rest = 0
        self.who = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self.who = client_of(self.client[0]) if self.client else "unknown"
        same = sum(other.who == self.who for other in self.connections)
        if len(self.connections) > CONNECTIONS or (same > CONNECTIONS_EACH and not self._is_proxy()):
            transport.abort()
        else:
            self._watch()

    def _is_proxy(self):
        return any(ip_address(self.client[0]) in network for network in self._networks)

    def data_received(self, data: bytes) -> None:
        if self.conn.our_state is h11.DONE:  # the reply is out, and this is the rest of the body
            self._rest += len(data)
            if self._rest > LARGEST_REST:
                self.flow.pause_reading()
                self._abort_in(FAREWELL)
                return
        super().data_received(data)
        if self._answering is not self._is_answering():
            self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._rest = 0
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer:
            self._timer.cancel()
        super().connection_lost(exc)

    def _watch(self):
        """Begin to wait for a header or the rest of a body, or until a reply is ready and the client takes it."""
        self._answering = self._is_answering()
        busy = self._answering or self.transport.get_write_buffer_size()
        self._abort_in(SLOWEST_REQUEST if busy else SLOWEST_HEADER)

    def _is_answering(self):
        return self.conn.our_state in (h11.SEND_RESPONSE, h11.SEND_BODY)

    def _abort_in(self, seconds):
        if self._timer:
            self._timer.cancel()
        self._timer = self.loop.call_later(seconds, self.transport.abort)

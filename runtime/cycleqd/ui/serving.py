"""The server: one process, one socket, until it is told to end."""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

import uvicorn

from cycleqd.errors import InputError
from cycleqd.store.localfile import remedy_of
from cycleqd.ui.app import make_app
from cycleqd.ui.watching import Watch

if TYPE_CHECKING:
    from cycleqd.store.base import ObjectStore

MOST_CONNECTIONS = 200


def serve(store: ObjectStore, host: str, port: int, say: Callable[[str], None]) -> None:
    """Serve the runs of a prefix until the process is interrupted or terminated.

    Args:
        store: of the prefix.
        host: address to listen on.
        port: 0 for a free one.
        say: told the address once connections are taken.

    Raises:
        InputError: nothing can listen there.
    """
    listening = listen(host, port)
    watch = Watch(store)
    try:
        name, number = listening.getsockname()[:2]
        shown = f"[{name}]" if ":" in name else name
        say(f"http://{shown}:{number}/ shows the runs below {watch.uri}")
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        config = uvicorn.Config(
            make_app(watch, hosts_of(name)),
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            lifespan="off",
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=2,
        )
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        watch.close()
        listening.close()


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections.

    Raises:
        InputError: it cannot be had; the message names the option to change.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        remedy = remedy_of(error) or "give another --host or --port; 0 takes a free port"
        raise InputError(
            f"--port: cannot listen on {host}:{port}: {error.strerror}; {remedy}"
        ) from error


def hosts_of(address: str) -> tuple[str, ...]:
    """The names that browsers may call the page by.

    On an address of this machine alone those are its names: a site that points its own name here
    would otherwise read the page with its visitor's browser. Elsewhere the names are the ingress's.
    """
    if ipaddress.ip_address(address).is_loopback:
        return ("localhost", "127.0.0.1", "[::1]", address)
    return ("*",)

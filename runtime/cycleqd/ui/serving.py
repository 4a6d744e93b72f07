"""The server: one process, one socket, until it is told to end."""

from __future__ import annotations

import ipaddress
import logging
import re
import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import uvicorn

from cycleqd.errors import InputError
from cycleqd.store.localfile import remedy_of
from cycleqd.ui.app import make_app
from cycleqd.ui.root import root_of
from cycleqd.ui.watching import Watch

if TYPE_CHECKING:
    from cycleqd.store.base import ObjectStore

MOST_CONNECTIONS = 200

_NAME = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\]", re.IGNORECASE)


def serve(
    store: ObjectStore,
    host: str,
    port: int,
    say: Callable[[str], None],
    *,
    names: Sequence[str] = (),
    root_path: str = "",
) -> None:
    """Serve the runs of a prefix until the process is interrupted or terminated.

    Args:
        store: of the prefix.
        host: address to listen on.
        port: 0 for a free one.
        say: told the address once connections are taken.
        names: of the ingress, by which browsers may call the page too.
        root_path: path that the ingress puts the page below.

    Raises:
        InputError: nothing can listen there, or a name or the path cannot be one.
    """
    root = root_of(root_path)
    allowed = [known_name(name) for name in names]
    listening = listen(host, port)
    watch = Watch(store)
    try:
        name, number = listening.getsockname()[:2]
        shown = f"[{name}]" if ":" in name else name
        say(f"http://{shown}:{number}{root}/ shows the runs below {watch.uri}")
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        config = uvicorn.Config(
            make_app(watch, hosts_of(name, allowed), root),
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


def known_name(name: str) -> str:
    """A name that a person gave, as `hosts_of` takes it.

    Raises:
        InputError: it is none; the message names the option.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"--allow-host: {name!r} is not a host name; give it without scheme, port and path, "
            "such as runs.example.org or *.example.org"
        )
    return name.lower()


def hosts_of(address: str, names: Sequence[str] = ()) -> tuple[str, ...]:
    """The names that browsers may call the page by.

    Names of this machine alone and those that were given: a site that points its own name here
    would otherwise read the page with its visitor's browser. Whoever listens for other machines
    and gives no name leaves that to the ingress.
    """
    if not names and not ipaddress.ip_address(address).is_loopback:
        return ("*",)
    shown = f"[{address}]" if ":" in address else address
    return tuple(dict.fromkeys(("localhost", "127.0.0.1", "[::1]", shown, *names)))

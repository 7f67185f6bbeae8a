"""Serving a WSGI application over HTTP with waitress, until Ctrl-C.

waitress reads requests and writes responses in one loop, without blocking, and calls the application in a few threads;
so a slow client occupies no thread. Limits bound what a client can occupy: 100 connections, 256 KiB of headers, 1 KiB
of body, two minutes without activity.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import logging
import socket
from collections.abc import Callable, Iterable
from typing import Any

from vsa_cli.core.errors import ConfigError, DataError, MissingError, reason
from vsa_cli.core.io.threads import Workers, uninterrupted

REMEDY = "pip install 'vsa[serve]'"

Environ = dict[str, Any]
"""The environment of a WSGI request (PEP 3333)."""

StartResponse = Callable[[str, list[tuple[str, str]]], object]
"""The function of WSGI that receives the status and the headers of a response."""

Application = Callable[[Environ, StartResponse], Iterable[bytes]]
"""A WSGI application."""

_MAX_BODY = 1024  # bytes; no page expects any


def is_installed() -> bool:
    """Whether waitress is installed."""
    return importlib.util.find_spec("waitress") is not None


def require_server() -> None:
    """Check that waitress is installed.

    Raises:
        MissingError: it is not.
    """
    if not is_installed():
        raise MissingError(f"`serve`: waitress is not installed; {REMEDY}")


def is_loopback(host: str) -> bool:
    """Whether an IP address can be reached from this machine only.

    Raises:
        ConfigError: it is not an IP address.
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError as error:
        raise ConfigError(f"`host` {host!r}: not an IP address") from error


class WebServer:
    """A server that listens on an address; requests are answered by `run`.

    Args:
        application: the WSGI application; it is called by several threads at a time.
        host: the IP address.
        port: the port; 0 takes a free one.
        threads: the number of threads that call the application.

    Attributes:
        url: the address of the first page.

    Raises:
        ConfigError: the host is not an IP address.
        DataError: the address cannot be used, for instance because another process uses it.
        MissingError: waitress is not installed.
    """

    def __init__(self, application: Application, host: str, port: int, threads: int) -> None:
        require_server()
        is_loopback(host)
        import waitress

        # it would report each request that waits for a thread
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        self._connections: dict[int, Any] = {}
        self._server = waitress.create_server(
            application,
            map=self._connections,
            sockets=[_listen(host, port)],
            threads=threads,
            ident=None,
            max_request_body_size=_MAX_BODY,
        )
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self._server.effective_port}/"

    def run(self) -> None:
        """Answer requests until `stop` or Ctrl-C.

        Raises:
            KeyboardInterrupt: Ctrl-C.
        """
        with Workers(1) as worker:
            loop = worker.submit(self._server.run)  # not in the main thread: Ctrl-C would interrupt it at any point
            try:
                loop.result()
            except BaseException:
                with uninterrupted():
                    self.stop()
                raise

    def stop(self) -> None:
        """End `run`, from any thread; responses that are being made are completed, within five seconds."""
        self._server.task_dispatcher.shutdown()
        self._server.trigger.pull_trigger(self._close)

    def _close(self) -> None:
        """Close all connections, in the thread that uses them; this ends the loop."""
        for connection in list(self._connections.values()):
            connection.close()


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        remedy = "choose another `port`, or 0 for a free one"
        raise DataError(f"cannot serve at {host}, port {port}: {reason(error)}; {remedy}") from error

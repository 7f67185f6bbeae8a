"""A WSGI application served on the loopback; addresses that cannot be used."""

from __future__ import annotations

import signal
import socket
import threading
import urllib.request
from collections.abc import Iterator

import pytest

from vsa_cli.core.errors import ConfigError, DataError, MissingError
from vsa_cli.core.io import web_server
from vsa_cli.core.io.web_server import Application, Environ, StartResponse, WebServer, is_loopback


@pytest.fixture
def application() -> Application:
    def answer(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield environ["PATH_INFO"].encode("latin-1")

    return answer


@pytest.mark.parametrize(
    ("host", "expected"), [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("0.0.0.0", False), ("::", False)]
)
def test_loopback_addresses(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize("host", ["localhost", "", "127.0.0", "example.org", "127.0.0.1:80"])
def test_host_must_be_an_ip_address(host: str) -> None:
    with pytest.raises(ConfigError, match=r"`host` .*: not an IP address"):
        is_loopback(host)


def test_without_waitress_the_remedy_is_named(application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_server, "is_installed", lambda: False)
    with pytest.raises(MissingError, match=r"pip install 'vsa\[serve\]'"):
        WebServer(application, "127.0.0.1", 0, 1)


def test_requests_are_answered_until_an_interrupt_while_a_client_sends_nothing(application: Application) -> None:
    pytest.importorskip("waitress", reason=f"no waitress: {web_server.REMEDY}")
    server = WebServer(application, "127.0.0.1", 0, 1)
    port = int(server.url.rstrip("/").rpartition(":")[2])
    answers: list[bytes] = []

    def use() -> None:
        with socket.create_connection(("127.0.0.1", port), 30) as slow:
            slow.sendall(b"GET /never HTTP/1.1\r\nHost: localhost\r\n")
            for name in ("one", "two"):
                with urllib.request.urlopen(f"{server.url}{name}", timeout=30) as answer:
                    answers.append(answer.read())
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)  # as a terminal does

    client = threading.Thread(target=use)
    client.start()
    with pytest.raises(KeyboardInterrupt):
        server.run()
    client.join()
    assert answers == [b"/one", b"/two"]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)


def test_a_used_port_is_an_error(application: Application) -> None:
    pytest.importorskip("waitress", reason=f"no waitress: {web_server.REMEDY}")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(DataError, match=f"cannot serve at 127.0.0.1, port {port}: .*; choose another `port`"):
            WebServer(application, "127.0.0.1", port, 1)

"""Servers on 127.0.0.1 for the tests: one whose every answer a test writes down, and a real nginx."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import shutil
import socket
import subprocess
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from typing import Self

_EMPTY = (204, 304)


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it came in."""

    method: str
    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer.

    Attributes
    ----------
    body, type, status, headers
        The ordinary parts; a ``type`` of None sends no Content-Type.
    length
        Content-Length where it is not the body's; the connection is closed after the body.
    chunked
        Send the body in chunks, without a Content-Length.
    raw
        The whole answer as bytes, status line included; the connection is closed after it.
    etag
        With it, a request that names it in If-None-Match gets an empty 304.
    """

    body: bytes = field(default=b"", repr=False)
    type: str | None = "text/html; charset=utf-8"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    length: int | None = None
    chunked: bool = False
    raw: bytes | None = field(default=None, repr=False)
    etag: str | None = None


class Server:
    """A server that answers as told, remembers who asked for what, and says 404 for the rest.

    >>> with Server() as server:
    ...     page = server.add("/page", b"<p>text")
    """

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.log: list[Seen] = []
        self._pages: dict[str, Reply | Callable[[Seen], Reply]] = {}
        self._server = _Listener((host, 0), _handler(self))
        self.host, self.port = host, int(self._server.server_address[1])
        self.base = f"http://{host}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def add(self, path: str, body: bytes | Reply | Callable[[Seen], Reply], **options: Any) -> str:
        """Say what a path answers; return its URL."""
        self._pages[path] = Reply(body, **options) if isinstance(body, bytes) else body
        return self.url(path)

    def url(self, path: str) -> str:
        """Return the URL of a path."""
        return self.base + path

    def answer(self, seen: Seen) -> Reply:
        """Return what a request gets."""
        self.log.append(seen)
        reply = self._pages.get(seen.path.partition("?")[0], Reply(b"<p>no such page", status=404))
        reply = reply(seen) if callable(reply) else reply
        if reply.etag and seen.headers.get("if-none-match") == reply.etag:
            return Reply(status=304, type=None, etag=reply.etag, headers=reply.headers)
        return reply

    def asked(self) -> list[str]:
        """Return the paths that were asked for, in order."""
        return [seen.path for seen in self.log]

    def requests_to(self, path: str) -> list[Seen]:
        """Return the requests for a path."""
        return [seen for seen in self.log if seen.path == path]


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up: dropping connections is part of what is tested."""


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Headers and body leave in two writes: with Nagle's algorithm each answer would wait for an acknowledgement.
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            self._send(server.answer(Seen(self.command, self.path, headers)))

        do_HEAD = do_GET  # noqa: N815 - the base class looks for this name

        def _send(self, reply: Reply) -> None:
            if reply.raw is not None:
                self.wfile.write(reply.raw)
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in _headers(reply):
                self.send_header(name, value)
            self.end_headers()
            if self.command == "HEAD" or reply.status in _EMPTY:
                return
            self.wfile.write(_in_chunks(reply.body) if reply.chunked else reply.body)
            self.close_connection = reply.length is not None

        def log_message(self, *args: object) -> None:
            """Say nothing: the log is in memory."""

    return Handler


def _headers(reply: Reply) -> Iterator[tuple[str, str]]:
    yield from reply.headers
    if reply.type is not None:
        yield "Content-Type", reply.type
    if reply.etag is not None:
        yield "ETag", reply.etag
    if reply.chunked:
        yield "Transfer-Encoding", "chunked"
    elif reply.status not in _EMPTY:
        yield "Content-Length", str(len(reply.body) if reply.length is None else reply.length)


def _in_chunks(body: bytes, size: int = 1000) -> bytes:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


_NGINX = """\
{user}daemon off;
worker_processes 1;
error_log {work}/error.log;
pid {work}/nginx.pid;
events {{ worker_connections 256; }}
http {{
  types {{ text/html html; image/jpeg jpg; image/png png; image/webp webp; text/plain txt; }}
  access_log {work}/access.log;
  client_body_temp_path {work}/t1; proxy_temp_path {work}/t2; fastcgi_temp_path {work}/t3;
  uwsgi_temp_path {work}/t4; scgi_temp_path {work}/t5;
  gzip on; gzip_types text/html image/webp; gzip_min_length 100;
  server {{ listen 127.0.0.1:{port}; {tls} root {site}; }}
}}
"""
_TLS = "listen 127.0.0.1:{port} ssl http2; ssl_certificate {work}/tls.crt; ssl_certificate_key {work}/tls.key;"


@contextlib.contextmanager
def nginx(site: Path, work: Path) -> Iterator[str]:
    """Serve a folder with a real nginx; yield its address, without a slash at the end."""
    work.mkdir(parents=True)
    with _nginx(site, work, "") as base:
        yield base


@contextlib.contextmanager
def nginx_http2(site: Path, work: Path) -> Iterator[tuple[str, str]]:
    """Serve a folder over HTTP/1.1, and over TLS with HTTP/2; yield both addresses. The log is ``work/access.log``."""
    work.mkdir(parents=True)
    _self_signed(work / "tls.crt", work / "tls.key")
    port = free_port()
    with _nginx(site, work, _TLS.format(port=port, work=work)) as base:
        yield base, f"https://127.0.0.1:{port}"


@contextlib.contextmanager
def _nginx(site: Path, work: Path, tls: str) -> Iterator[str]:
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        pytest.skip("install nginx to run this test")
    port = free_port()
    configuration = work / "nginx.conf"
    # Started as root, nginx would read as another user, to whom pytest's folders are closed.
    user = "user root;\n" if os.geteuid() == 0 else ""
    configuration.write_text(_NGINX.format(user=user, work=work, site=site, port=port, tls=tls))
    command = [program, "-p", str(work), "-c", str(configuration), "-e", str(work / "error.log")]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for_port(port, process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _self_signed(certificate: Path, key: Path) -> None:
    """Write a certificate for 127.0.0.1 that nobody but this test knows."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(private, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    key.write_bytes(private.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody uses now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen[bytes], seconds: float = 10.0) -> None:
    """Wait until a server that was started answers on a port of 127.0.0.1."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"nobody answered on port {port}; a server's own log says why")

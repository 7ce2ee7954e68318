"""Servers on 127.0.0.1 that the tests of the ways out need beside a web server: HTTP/2, FTP, a proxy, a bucket."""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
import ssl
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from support.server import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

_SECONDS = 10.0


@contextlib.contextmanager
def http2(pages: Mapping[str, bytes], folder: Path) -> Iterator[str]:
    """Serve images over TLS and HTTP/2 alone; yield the address, without a slash at the end."""
    from h2.config import H2Configuration  # noqa: PLC0415 - not every environment of the tests has it
    from h2.connection import H2Connection  # noqa: PLC0415
    from h2.events import RequestReceived  # noqa: PLC0415

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_certificate(folder))
    context.set_alpn_protocols(["h2"])

    def serve(plain: socket.socket) -> None:
        with contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as connection:
            protocol = H2Connection(H2Configuration(client_side=False))
            protocol.initiate_connection()
            connection.sendall(protocol.data_to_send())
            while data := connection.recv(1 << 16):
                for event in protocol.receive_data(data):
                    if isinstance(event, RequestReceived):
                        path = dict(event.headers)[b":path"].decode()
                        body = pages.get(path, b"")
                        headers = [(":status", "200"), ("content-type", "image/jpeg")]
                        protocol.send_headers(event.stream_id, [*headers, ("content-length", str(len(body)))])
                        for start in range(0, len(body), 1 << 14):
                            protocol.send_data(event.stream_id, body[start : start + (1 << 14)])
                        protocol.end_stream(event.stream_id)
                connection.sendall(protocol.data_to_send())

    with _listening(serve) as port:
        yield f"https://127.0.0.1:{port}"


@contextlib.contextmanager
def proxy(answer: bytes) -> Iterator[str]:
    """Run a proxy that gives one answer to everything; yield its address."""

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            connection.recv(1 << 16)
            connection.sendall(answer)

    with _listening(serve) as port:
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def bucket(folder: Path) -> Iterator[str]:
    """Run a store that keeps what is put into it in a folder, by number; yield its address."""
    folder.mkdir(parents=True)
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                number = len(list(folder.iterdir()))
                (folder / f"{number}").write_bytes(body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


_FTP = """
import sys
from twisted.cred.checkers import AllowAnonymousAccess, InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import Portal
from twisted.internet import reactor
from twisted.protocols.ftp import FTPAnonymousShell, FTPFactory, FTPRealm, FTPShell, IFTPShell
from twisted.python.filepath import FilePath

class Realm(FTPRealm):
    def getHomeDirectory(self, avatar):
        return FilePath(sys.argv[2])

users = InMemoryUsernamePasswordDatabaseDontUse()
users.users["user"] = "password"
portal = Portal(Realm(sys.argv[2]), [AllowAnonymousAccess(), users])
reactor.listenTCP(int(sys.argv[1]), FTPFactory(portal), interface="127.0.0.1")
reactor.run()
"""


@contextlib.contextmanager
def ftp(folder: Path) -> Iterator[str]:
    """Serve a folder over FTP: to be read by anybody, to be written by ``user``; yield host and port."""
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-c", _FTP, str(port), str(folder)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(port, process)
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise RuntimeError("the server did not answer")


@contextlib.contextmanager
def _listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Accept connections in a thread, and serve each in one of its own; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=serve, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield port
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
    thread.join(_SECONDS)


def _certificate(folder: Path) -> Path:
    """Write a certificate that nobody has signed, and its key, to one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    file = folder / "certificate.pem"
    file.write_bytes(private + built.public_bytes(serialization.Encoding.PEM))
    return file

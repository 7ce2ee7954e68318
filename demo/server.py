"""The demo site's server: ``python -m demo.server FOLDER``.

It serves what :meth:`demo.site.Site.write` wrote, on 127.0.0.1 and a free port, prints the port as its
first line, and runs until its parent ends it by its process id or closes its standard input.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_NOT_FOUND = b"<!doctype html><title>Not here</title><p>There is no such page."


class Routes:
    """What to answer, by path."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._routes: dict[str, dict[str, Any]] = json.loads((folder / "site.json").read_text(encoding="utf-8"))

    def answer(self, path: str) -> tuple[int, list[tuple[str, str]], bytes]:
        """Return status, headers and body for a path."""
        route = self._routes.get(path.partition("?")[0])
        if route is None:
            return 404, [("Content-Type", "text/html")], _NOT_FOUND
        headers = [(name, value) for name, value in route["headers"]]
        return route["status"], headers, (self._folder / route["file"]).read_bytes()


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD over connections that stay open."""

    protocol_version = "HTTP/1.1"
    routes: Routes

    def do_GET(self) -> None:
        """Answer with headers and body."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Answer with the headers alone."""
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        status, headers, body = self.routes.answer(self.path)
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        """Say nothing: standard output and error belong to the demo."""


class Server(ThreadingHTTPServer):
    """A server whose threads never keep the process alive."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up."""


def open_server(folder: Path) -> Server:
    """Return a server for a folder, bound to a free port of 127.0.0.1."""
    handler = type("SiteHandler", (Handler,), {"routes": Routes(folder)})
    return Server(("127.0.0.1", 0), handler)


def main(arguments: list[str] | None = None) -> int:
    """Serve until the end of standard input."""
    parser = argparse.ArgumentParser(prog="python -m demo.server", description=__doc__)
    parser.add_argument("folder", type=Path, help="the folder of a written site")
    server = open_server(parser.parse_args(arguments).folder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)  # noqa: T201 - the port is this program's answer
    # The pipe closes when the parent dies, however it dies: no server is left behind.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    server.shutdown()
    server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A bucket on 127.0.0.1 that speaks as much of S3 and of Google Cloud Storage as feeds need."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import IO, TYPE_CHECKING
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

import google_crc32c

if TYPE_CHECKING:
    from typing import Self


class Buckets:
    """Objects by ``bucket/key``, and the address at which they are served.

    Attributes
    ----------
    objects
        What was put there.
    refuse
        Answer S3's questions with an error.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.refuse = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"buckets": self}))
        self.base = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def keys(self, prefix: str) -> list[str]:
        """Return the keys that begin with ``bucket/prefix``, sorted, without it."""
        return sorted(key.removeprefix(prefix) for key in self.objects if key.startswith(prefix))


class _Handler(BaseHTTPRequestHandler):
    buckets: Buckets
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_PUT(self) -> None:
        body = self._body()
        path, query = self._address()
        if "upload_id" in query:  # the second half of an upload to Google
            self.buckets.objects[query["upload_id"]] = body
            checksum = base64.b64encode(google_crc32c.Checksum(body).digest()).decode()
            self._answer(200, json.dumps({"name": query["upload_id"], "crc32c": checksum}).encode(), "application/json")
        else:
            self.buckets.objects[path] = body
            self._answer(200, b"", "application/xml", ETag='"0"')

    def do_POST(self) -> None:
        body = self._body()
        path, query = self._address()
        name = query.get("name") or json.loads(body)["name"]
        where = f"{self.buckets.base}/upload?upload_id={quote(path.split('/')[4] + '/' + name, safe='')}"
        self._answer(200, b"{}", "application/json", Location=where)

    def do_GET(self) -> None:
        path, query = self._address()
        prefix = query.get("prefix", "")
        if path.startswith("download/storage/"):
            _, _, _, _, bucket, _, key = path.split("/", 6)
            self._send(f"{bucket}/{key}")
        elif path.startswith("storage/"):
            bucket, _, key = path.split("/", 3)[3].partition("/o/")
            if query.get("alt") == "media":
                self._send(f"{bucket}/{key}")
                return
            bucket = bucket.removesuffix("/o")
            found = [self._described(bucket, name) for name in self._names(bucket, prefix)]
            self._answer(200, json.dumps({"items": found}).encode(), "application/json")
        elif self.buckets.refuse:
            self._answer(403, b"<Error><Code>AccessDenied</Code></Error>", "application/xml")
        elif "list-type" in query:
            entries = "".join(
                f"<Contents><Key>{escape(key)}</Key><Size>1</Size></Contents>" for key in self._names(path, prefix)
            )
            listing = f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>"
            self._answer(200, listing.encode(), "application/xml")
        elif "/" not in path.strip("/"):  # whether there is such a bucket
            self._answer(200, b"", "application/xml")
        else:
            self._send(path)

    do_HEAD = do_GET  # noqa: N815 - the base class looks for this name

    def _names(self, bucket: str, prefix: str) -> list[str]:
        return [name for name in self.buckets.keys(f"{bucket.strip('/')}/") if name.startswith(prefix)]

    def _described(self, bucket: str, name: str) -> dict[str, str]:
        """Return as much of Google's description of an object as its readers need."""
        return {"bucket": bucket, "name": name, "size": str(len(self.buckets.objects[f"{bucket}/{name}"]))}

    def _send(self, key: str) -> None:
        body = self.buckets.objects.get(key)
        self._answer(404 if body is None else 200, body or b"", "application/octet-stream", ETag='"0"')

    def _address(self) -> tuple[str, dict[str, str]]:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        return unquote(parts.path).lstrip("/"), query

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            return _unchunked(self.rfile)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return _signed_chunks(body) if "aws-chunked" in self.headers.get("Content-Encoding", "") else body

    def _answer(self, status: int, body: bytes, kind: str, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def _signed_chunks(body: bytes) -> bytes:
    """Undo S3's own chunks: a size in hex, perhaps a signature, the data; after the last, perhaps a checksum."""
    parts, at = [], 0
    while True:
        end = body.index(b"\r\n", at)
        size = int(body[at:end].partition(b";")[0], 16)
        if not size:
            return b"".join(parts)
        parts.append(body[end + 2 : end + 2 + size])
        at = end + 2 + size + 2


def _unchunked(file: IO[bytes]) -> bytes:
    """Read a body in the chunks of HTTP."""
    parts = []
    while size := int(file.readline().partition(b";")[0], 16):
        parts.append(file.read(size))
        file.readline()
    file.readline()
    return b"".join(parts)

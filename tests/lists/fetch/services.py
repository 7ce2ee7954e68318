"""A server on this machine that plays the services' interfaces, with their faults and their surprises."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterable
    from email.message import Message

EPOCH = 1_700_000_000
"""Where the tests' records lie in time, in seconds since 1970."""


def hexed(text: str, algorithm: str = "md5") -> str:
    """Return a digest that is a text's own."""
    return hashlib.new(algorithm, text.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Asked:
    """A request."""

    method: str
    path: str
    query: dict[str, str]
    headers: Message
    body: bytes


@dataclass(frozen=True)
class Reply:
    """An answer, or what is left of it."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    """Send only so many bytes of the body, though the header promises all."""
    silent: bool = False
    """Send nothing until the test is over."""


Fault = Callable[[Asked, int], "Reply | None"]


class Service:
    """Serves what :meth:`answer` says, unless a fault comes before it.

    Attributes
    ----------
    asked
        All requests so far.
    faults
        Called with each request and its number from 0; the first reply that one gives is sent.
    clock
        What the service says that the time is; None: nothing.
    """

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.faults: list[Fault] = []
        self.clock: float | None = EPOCH + 10_000_000
        self._over = threading.Event()
        self._victim: int | None = None
        self._victim_known = threading.Event()
        self._lock = threading.Lock()

    def answer(self, asked: Asked) -> Reply:
        """Return what a sound service answers."""
        raise NotImplementedError

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def fail(self, number: int, reply: Reply) -> None:
        """Answer the request of that number, from 0, with a fault."""
        self.faults.append(lambda _, index: reply if index == number else None)

    def kill_at(self, number: int) -> None:
        """Kill the :meth:`victim` when that request comes in."""

        def kill(_: Asked, index: int) -> None:
            if index == number:
                assert self._victim_known.wait(30)
                assert self._victim is not None
                os.kill(self._victim, signal.SIGKILL)

        self.faults.append(kill)

    def victim(self, pid: int) -> None:
        """Say who is to be killed."""
        self._victim = pid
        self._victim_known.set()

    def reply(self, asked: Asked) -> Reply:
        """Return a fault's reply, or the answer."""
        with self._lock:
            index = len(self.asked)
            self.asked.append(asked)
            for fault in self.faults:
                reply = fault(asked, index)
                if reply is not None:
                    return reply
            return self.answer(asked)

    def __enter__(self) -> Self:
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self) -> None:
                parts = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.close_connection = True
                with contextlib.suppress(ConnectionError):
                    query = dict(parse_qsl(parts.query, keep_blank_values=True))
                    self.send(service.reply(Asked(self.command, parts.path, query, self.headers, body)))

            do_GET = do_POST = handle_one  # noqa: N815 - what the library calls

            def send(self, reply: Reply) -> None:
                if reply.silent:
                    service._over.wait(60)
                    return
                self.send_response_only(reply.status)
                headers = {"Content-Length": str(len(reply.body)), "Connection": "close", **reply.headers}
                if service.clock is not None:
                    headers["Date"] = formatdate(service.clock, usegmt=True)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body[: reply.cut])

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def as_json(told: Any) -> Reply:
    """Answer with JSON."""
    return Reply(json.dumps(told).encode(), headers={"Content-Type": "application/json"})


def stamp(seconds: float) -> str:
    """Write a time as NCMEC does."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(text: str) -> int:
    """Read such a time."""
    return int(datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp())


@dataclass(frozen=True)
class Hash:
    """One record of a service."""

    id: str
    time: int = EPOCH
    md5: str | None = None
    pdq: str | None = None
    sha1: str | None = None
    severity: str | None = None
    deleted: bool = False
    extra: str = ""

    @classmethod
    def of(cls, number: int, time: int = EPOCH, **more: Any) -> Hash:
        """Make a record with values of its own."""
        values = {
            "md5": hexed(f"md5 {number}"),
            "sha1": hexed(f"sha1 {number}", "sha1"),
            "pdq": hexed(f"pdq {number}", "sha256"),
            "severity": "A1" if number % 2 else "B2",
        }
        return cls(f"entry{number}", time, **{**values, **more})


class Ncmec(Service):
    """NCMEC's hash sharing: ranges that begin after ``from`` and end with ``to``, pages in no order of time."""

    def __init__(self, entries: Iterable[Hash] = (), *, page: int = 10) -> None:
        super().__init__()
        self.entries = list(entries)
        self.page = page
        self.user = "Basic dXNlcjpzZWNyZXQ="

    def answer(self, asked: Asked) -> Reply:
        """Answer /v2/entries."""
        if asked.headers["Authorization"] != self.user:
            return Reply(status=401)
        begin, end, start = seconds(asked.query["from"]), seconds(asked.query["to"]), int(asked.query.get("start", 0))
        found = [entry for entry in self.entries if begin < entry.time <= end]
        # Neither by time nor by name: by what nobody expects.
        found.sort(key=lambda entry: hexed(entry.id))
        shown, following = found[start : start + self.page], start + self.page
        next_ = None
        if following < len(found):
            query = urlencode({**asked.query, "start": following, "size": self.page, "max": len(found)})
            next_ = f"/v2/entries?{query}"
        return Reply(ncmec_page(shown, next_))


def ncmec_page(entries: Iterable[Hash], next_: str | None = None) -> bytes:
    """Write an answer of NCMEC's."""
    shown = list(entries)
    parts = [ncmec_entry(entry) for entry in shown]
    images = f'<images count="{len(shown)}" maxTimestamp="{stamp(EPOCH)}">{"".join(parts)}</images>' if parts else ""
    paging = "" if next_ is None else f"<paging><next>{escape(next_)}</next></paging>"
    return (
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
        f'<queryResult xmlns="https://hashsharing.ncmec.org/hashsharing/v2">{images}{paging}</queryResult>'
    ).encode()


def ncmec_entry(entry: Hash) -> str:
    """Write one entry."""
    tag = "deletedImage" if entry.deleted else "image"
    head = f'<member id="42">M</member><timestamp>{stamp(entry.time)}</timestamp><id>{entry.id}</id>'
    if entry.deleted:
        return f"<{tag}>{head}</{tag}>"
    values = "".join(
        f"<{name}>{value}</{name}>"
        for name, value in (("md5", entry.md5), ("sha1", entry.sha1), ("pdq", entry.pdq))
        if value
    )
    severity = f"<classification>{entry.severity}</classification>" if entry.severity else ""
    return f"<{tag}>{head}{severity}<fingerprints>{values}</fingerprints>{entry.extra}</{tag}>"


class StopNcii(Service):
    """StopNCII.org: records from a time on, tokens that count pages."""

    def __init__(self, entries: Iterable[Hash] = (), *, page: int = 10) -> None:
        super().__init__()
        self.entries = list(entries)
        self.page = page
        self.life = 0
        """Raised, all tokens so far are void."""

    def answer(self, asked: Asked) -> Reply:
        """Answer /FetchHashes."""
        if (asked.headers["x-functions-key"], asked.headers["Ocp-Apim-Subscription-Key"]) != ("secret", "secret"):
            return Reply(status=401)
        life, _, offset = asked.query.get("nextPageToken", f"{self.life}.0").partition(".")
        if int(life) != self.life:
            return Reply(status=400)
        found = [entry for entry in self.entries if entry.time >= int(asked.query["startTimestamp"])]
        shown, following = found[int(offset) : int(offset) + self.page], int(offset) + self.page
        more = following < len(found)
        return as_json(
            {
                "count": len(shown),
                "nextPageToken": f"{self.life}.{following}" if more else None,
                "nextSetTimestamp": max((entry.time for entry in self.entries), default=10),
                "hasMoreRecords": more,
                "hashRecords": [self.record(entry) for entry in shown],
            }
        )

    @staticmethod
    def record(entry: Hash) -> dict[str, Any]:
        """Write one record."""
        return {
            "lastModtimestamp": entry.time,
            "signalType": "ImagePDQ",
            "hashValue": entry.pdq,
            "hashStatus": "Withdrawn" if entry.deleted else "Active",
            "caseNumbers": {},
            "CSPFeedbacks": [],
            "aNewField": {"nobody": ["knows"]},
        }


class Tat(Service):
    """Tech Against Terrorism: a login, and pages after a mark."""

    def __init__(self, entries: Iterable[Hash] = (), *, page: int = 10) -> None:
        super().__init__()
        self.entries = list(entries)
        self.page = page
        self.logins = 0

    def answer(self, asked: Asked) -> Reply:
        """Answer the login and the list."""
        if asked.path == "/token-auth/tcap/":
            told = dict(parse_qsl(asked.body.decode()))
            if (asked.method, told.get("username"), told.get("password")) != ("POST", "user", "secret"):
                return Reply(status=401)
            self.logins += 1
            return as_json({"user": {}, "token": f"token{self.logins}"})
        if asked.headers["Authorization"] != f"Bearer token{self.logins}":
            return Reply(status=401)
        numbered = sorted(enumerate(self.entries), key=lambda pair: (pair[1].time, pair[0]))
        after = asked.query["after"]
        mark = (float(after.split(",")[0]), int(after.split(",")[1])) if after else (0.0, -1)
        found = [(number, entry) for number, entry in numbered if (entry.time, number) > mark]
        shown = found[: self.page]
        return as_json(
            {
                "count": len(found),
                "next": f"{self.url}/api/hash-list/v2/all?limit=10&offset=10" if len(found) > self.page else None,
                "previous": None,
                "checkpoint": f"{shown[-1][1].time}.5,{shown[-1][0]}" if shown else after,
                "results": [self.record(number, entry) for number, entry in shown],
            }
        )

    @staticmethod
    def record(number: int, entry: Hash) -> dict[str, Any]:
        """Write one record."""
        return {
            "id": entry.id,
            "hash_digest": entry.md5,
            "algorithm": "MD5",
            "ideology": "far-right",
            "file_type": "jpg",
            "deleted": entry.deleted,
            "updated_on": entry.time,
            "created_on": str(number),
            "a_new_field": [1],
        }


class ThreatExchange(Service):
    """Meta's ThreatExchange: ranges, and next links that hold the token."""

    GROUP = 4242
    TOKEN = "1234567890|secret"  # noqa: S105 - nobody else's

    def __init__(self, entries: Iterable[Hash] = (), *, page: int = 10) -> None:
        super().__init__()
        self.entries = list(entries)
        self.page = page

    def answer(self, asked: Asked) -> Reply:
        """Answer threat_updates."""
        if asked.query["access_token"] != self.TOKEN or asked.path != f"/{self.GROUP}/threat_updates/":
            return Reply(status=403)
        begin, end = int(asked.query.get("start_time", 0)), int(asked.query["stop_time"])
        offset = int(asked.query.get("after", 0))
        found = [entry for entry in self.entries if begin <= entry.time < end]
        told: dict[str, Any] = {"data": [self.record(entry) for entry in found[offset : offset + self.page]]}
        if offset + self.page < len(found):
            query = urlencode({**asked.query, "after": offset + self.page})
            told["paging"] = {"cursors": {}, "next": f"{self.url}{asked.path}?{query}"}
        return as_json(told)

    @staticmethod
    def record(entry: Hash) -> dict[str, Any]:
        """Write one update."""
        told: dict[str, Any] = {
            "id": entry.id,
            "indicator": entry.pdq,
            "type": "HASH_PDQ",
            "last_updated": entry.time,
            "should_delete": False,
        }
        # Either mark alone takes it back.
        if entry.deleted and int(entry.id[-1]) % 2:
            return {**told, "should_delete": True, "descriptors": {"data": [{"id": "1"}]}}
        return told if entry.deleted else {**told, "descriptors": {"data": [{"id": "1", "status": "MALICIOUS"}]}}

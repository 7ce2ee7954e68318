from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest
from lists.fetch.services import Asked, Reply, Service

from ingest_guard.lists.fetch.errors import AnswerError, FetchError, RefusedError, StatusError
from ingest_guard.lists.fetch.http import Http, Patience, _http_time, same_origin
from ingest_guard.lists.fetch.pages import parse_object

if TYPE_CHECKING:
    from collections.abc import Iterator


class Plain(Service):
    """Answers every request alike."""

    def answer(self, asked: Asked) -> Reply:
        """Say that it is fine."""
        return Reply(b'{"fine": true}')


@pytest.fixture
def service() -> Iterator[Plain]:
    """Run a service."""
    with Plain() as running:
        yield running


def client(service: Service, slept: list[float] | None = None, **patience: Any) -> Http:
    """Make a client that does not sleep, but notes for how long it would."""
    sleeps: list[float] = [] if slept is None else slept
    given = Patience(**{"timeout": 10, "attempts": 4, "wait": 1, **patience})
    headers = {"Authorization": "Basic secret", "X-Key": "secret"}
    return Http(service.url, headers=headers, check="THE_VARIABLE", patience=given, sleep=sleeps.append)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_faults_that_pass(service: Plain, status: int) -> None:
    """A fault of the moment is met by waiting, longer each time, and asking again."""
    for number in range(3):
        service.fail(number, Reply(status=status))
    slept: list[float] = []
    assert client(service, slept).get("/a", {}, parse_object) == {"fine": True}
    assert len(service.asked) == 4
    for wait, most in zip(slept, (1, 2, 4), strict=True):
        assert most / 2 <= wait <= most


@pytest.mark.parametrize(
    "fault",
    [Reply(b'{"fine": true}', cut=5), Reply(b'{"fine": t'), Reply(b"<html>"), Reply(b"[]"), Reply(b"[" * 100_000)],
    ids=["cut off", "half a document", "no JSON", "no object", "nested without end"],
)
def test_answers_that_are_none(service: Plain, fault: Reply) -> None:
    """An answer that is cut off or no document is asked for again."""
    service.fail(0, fault)
    assert client(service).get("/a", {}, parse_object) == {"fine": True}
    assert len(service.asked) == 2


def test_faults_that_stay(service: Plain) -> None:
    """After the last try the error says what it was, and that the next fetch goes on."""
    service.faults.append(lambda *_: Reply(b"secret body", status=500))
    with pytest.raises(FetchError, match=r"127\.0\.0\.1: status 500, at try 4 of 4; fetch again later") as caught:
        client(service).get("/a", {"token": "secret"}, parse_object)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("kind", ["seconds", "date"])
def test_patience_that_is_asked_for(service: Plain, kind: str) -> None:
    """The service may say how long to wait, in seconds or as a date."""
    text = "7" if kind == "seconds" else formatdate(time.time() + 100, usegmt=True)
    service.fail(0, Reply(status=429, headers={"Retry-After": text}))
    slept: list[float] = []
    client(service, slept).get("/a", {}, parse_object)
    assert 6 <= slept[0] <= 100


def test_more_patience_than_we_have(service: Plain) -> None:
    """Where it asks for hours, the fetch ends, and says so."""
    service.fail(0, Reply(status=503, headers={"Retry-After": "7200"}))
    with pytest.raises(FetchError, match="it asks for 7200 s of patience"):
        client(service).get("/a", {}, parse_object)
    assert len(service.asked) == 1


def test_senseless_patience(service: Plain) -> None:
    """A Retry-After that is none is no reason for anything."""
    service.fail(0, Reply(status=503, headers={"Retry-After": "soon"}))
    assert client(service).get("/a", {}, parse_object) == {"fine": True}


@pytest.mark.parametrize("status", [401, 403])
def test_refusal(service: Plain, status: int) -> None:
    """Refused credentials are not tried again, and the error says where to look."""
    service.fail(0, Reply(status=status))
    with pytest.raises(RefusedError, match=rf"does not accept the credentials \({status}\); check THE_VARIABLE"):
        client(service).get("/a", {}, parse_object)
    assert len(service.asked) == 1


def test_status_that_does_not_pass(service: Plain) -> None:
    """Another status is told, with its number."""
    service.fail(0, Reply(status=404))
    with pytest.raises(StatusError, match="status 404") as caught:
        client(service).get("/a", {}, parse_object)
    assert caught.value.status == 404


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_to_another_host(service: Plain, status: int) -> None:
    """Another host is not asked at all, so it gets no credentials."""
    with Plain() as other:
        service.fail(0, Reply(status=status, headers={"Location": f"{other.url}/a"}))
        with pytest.raises(StatusError, match="redirects to another host"):
            client(service).get("/a", {}, parse_object)
        assert other.asked == []


def test_redirect_within_the_host(service: Plain) -> None:
    """A redirect within the host is followed, credentials and all; without end it is not."""
    service.fail(0, Reply(status=302, headers={"Location": "/b"}))
    assert client(service).get("/a", {}, parse_object) == {"fine": True}
    assert service.asked[1].path == "/b"
    assert service.asked[1].headers["X-Key"] == "secret"
    service.faults.append(lambda *_: Reply(status=302, headers={"Location": "/b"}))
    with pytest.raises(StatusError, match="redirects without end"):
        client(service).get("/a", {}, parse_object)


def test_another_host_is_never_asked(service: Plain) -> None:
    """An address elsewhere, from a next page say, is refused before anything is sent."""
    with pytest.raises(FetchError, match="sends us on to another host"):
        client(service).ask("https://evil.example/a", parse_object)


def test_no_answer_in_time(service: Plain) -> None:
    """A service that says nothing is given up after the timeout, each time."""
    service.faults.append(lambda *_: Reply(silent=True))
    with pytest.raises(FetchError, match="no answer"):
        client(service, timeout=0.05, attempts=2).get("/a", {}, parse_object)
    assert len(service.asked) == 2


def test_nobody_there() -> None:
    """A host that nobody listens on is an error that names it, and the kind of fault."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    http = Http(f"http://127.0.0.1:{port}", patience=Patience(attempts=1))
    with pytest.raises(FetchError, match=r"127\.0\.0\.1: no answer \(ConnectionRefusedError\)"):
        http.get("/a", {}, parse_object)


def test_answer_that_is_too_long(service: Plain) -> None:
    """An answer beyond the limit is given up, and not asked for again."""
    service.fail(0, Reply(b"x" * 5000))
    with pytest.raises(FetchError, match="more than 1000 bytes"):
        client(service, most_bytes=1000).get("/a", {}, parse_object)
    assert len(service.asked) == 1


def test_encoding_that_was_not_asked_for(service: Plain) -> None:
    """A compressed answer, which could be a bomb, is none."""
    service.faults.append(lambda *_: Reply(b"x", headers={"Content-Encoding": "gzip"}))
    with pytest.raises(FetchError, match="encoding that was not asked for"):
        client(service, attempts=1).get("/a", {}, parse_object)


def test_answer_that_trickles(service: Plain, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer of which a little comes every now and then has an end, too."""
    clock = iter(range(0, 10_000, 1000))
    monkeypatch.setattr("ingest_guard.lists.fetch.http.time.monotonic", lambda: next(clock))
    with pytest.raises(FetchError, match="answer that trickles"):
        client(service, attempts=1).get("/a", {}, parse_object)


def test_certificate_that_nobody_vouches_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that cannot be verified ends it at once: trying again would change nothing."""

    def refuse(*_: object, **__: object) -> None:
        raise ssl.SSLCertVerificationError(1, "self-signed certificate of secret.example")

    monkeypatch.setattr("http.client.HTTPSConnection.connect", refuse)
    with pytest.raises(FetchError, match=r"api\.example: its certificate cannot be verified"):
        Http("https://api.example", patience=Patience(attempts=5)).get("/a", {}, parse_object)


def test_broken_protocol() -> None:
    """A server that does not speak HTTP is a fault like others."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def babble() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"babble\r\n\r\n")

        thread = threading.Thread(target=babble)
        thread.start()
        http = Http(f"http://127.0.0.1:{server.getsockname()[1]}", patience=Patience(attempts=1))
        with pytest.raises(FetchError, match=r"no answer \(BadStatusLine\)"):
            http.get("/a", {}, parse_object)
        thread.join()


def test_time_of_the_service(service: Plain) -> None:
    """The service's clock is read from its answers; one that is none is left out."""
    http = client(service)
    service.clock = 1_700_000_000.0
    http.get("/a", {}, parse_object)
    assert http.server_time == 1_700_000_000.0
    service.clock = None
    http.get("/a", {}, parse_object)
    assert http.server_time is None


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("https://a.example/x", True),
        ("https://A.example/x?y", True),
        ("http://a.example/x", False),
        ("https://a.example:444/x", False),
        ("https://user@a.example/x", False),
        ("https://b.example/x", False),
        ("https://a.example.evil/x", False),
        ("https://[/x", False),
    ],
)
def test_same_origin(url: str, same: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Scheme, host and port make an origin."""
    assert same_origin(url, "https://a.example/base") is same


def test_document_is_an_object() -> None:
    """A document is a JSON object."""
    assert parse_object(json.dumps({"a": 1}).encode()) == {"a": 1}
    with pytest.raises(AnswerError):
        parse_object(b"\xff")


@pytest.mark.parametrize("zone", ["GMT", "+0000", "-0000"])
def test_dates_are_in_utc(zone: str) -> None:
    """A date of a header is in UTC, also where it does not say so."""
    assert _http_time(f"Tue, 14 Nov 2023 22:13:20 {zone}") == 1_700_000_000

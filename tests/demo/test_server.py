from __future__ import annotations

import http.client
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from demo import server as module
from demo.processes import serving
from demo.server import open_server
from ingest_guard.errors import IngestGuardError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from demo.site import Site


@pytest.fixture(scope="module")
def folder(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a written site."""
    path = tmp_path_factory.mktemp("site")
    site.write(path)
    return path


@pytest.fixture
def connection(folder: Path) -> Iterator[http.client.HTTPConnection]:
    """Return a connection to a server in a thread."""
    server = open_server(folder)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    client = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
    try:
        yield client
    finally:
        client.close()
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_server_answers_as_the_site_says(site: Site, connection: http.client.HTTPConnection) -> None:
    """Status, headers and body are the site's, several on one connection."""
    for path in ("/", "/photos/br/launch.png", "/go/cup", "/odd/missing.jpg", "/odd/part.jpg"):
        connection.request("GET", path)
        answer = connection.getresponse()
        resource = site.resources[path]
        assert answer.status == resource.status
        assert answer.read() == resource.body
        assert answer.headers["Content-Type"] == resource.content_type
        for name, value in resource.headers:
            assert answer.headers[name] == value


def test_unknown_paths_and_head_requests(site: Site, connection: http.client.HTTPConnection) -> None:
    """An unknown path is a 404; HEAD gives the length and no body; a query is ignored."""
    connection.request("GET", "/nowhere")
    answer = connection.getresponse()
    assert (answer.status, b"no such page" in answer.read()) == (404, True)
    connection.request("HEAD", "/?page=2")
    answer = connection.getresponse()
    assert answer.read() == b""
    assert answer.headers["Content-Length"] == str(len(site.resources["/"].body))


def test_clients_that_hang_up_are_passed_over(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """An error of a connection is not printed into the demo's output."""
    server = open_server(folder)
    server.handle_error(None, None)
    server.server_close()
    assert capfd.readouterr() == ("", "")


def test_the_program_serves_until_its_input_ends(folder: Path) -> None:
    """The program prints its port, and ends by itself when its standard input is closed."""
    command = [sys.executable, "-m", "demo.server", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        port = int(process.stdout.readline())
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        client.request("GET", "/robots.txt")
        assert client.getresponse().read() == b"User-agent: *\nDisallow: /private/\n"
        client.close()
        process.stdin.close()
        assert process.wait(20) == 0


def test_main_returns_when_its_input_ends(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The entry point serves, prints the port, and returns 0 at the end of its input."""
    reads = iter([b"still there", b""])
    monkeypatch.setattr(module.os, "read", lambda *_: next(reads))
    monkeypatch.setattr(module.sys, "stdin", open(folder / "site.json"))  # noqa: SIM115, PTH123 - any open file will do
    assert module.main([str(folder)]) == 0
    module.sys.stdin.close()
    assert capsys.readouterr().out.strip().isdigit()


def test_a_server_that_does_not_start_is_an_error(tmp_path: Path) -> None:
    """A folder without a site gives an error with the exit code."""
    with pytest.raises(IngestGuardError, match="did not start"), serving(tmp_path):
        pytest.fail("it must not get here")

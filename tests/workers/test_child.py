from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from support.pictures import drawn, encode

from ingest_guard import Reason
from ingest_guard.guard.scan_result import Scan
from ingest_guard.workers import child, sandbox, warmup
from ingest_guard.workers.memory import OwnMemory
from ingest_guard.workers.pool import _configuration
from ingest_guard.workers.protocol import (
    CONFIGURATION,
    LARGEST_ANSWER,
    REPORT,
    AnswerReader,
    ProtocolError,
    frame_header,
    receive_frame,
    send_frame,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest_guard import Guard


def talk(guard: Guard, images: list[bytes]) -> tuple[dict[str, object], list[Scan]]:
    """Run a nursery's start and a worker's loop in a thread, without a fork and a sandbox, and send images."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        with theirs, suppress(EOFError):
            opened = child.prepare(theirs)
            if opened is not None:
                child.serve(theirs, opened.scanner, OwnMemory())

    thread = threading.Thread(target=serve)
    thread.start()
    with ours:
        send_frame(ours, CONFIGURATION, _configuration(guard))
        greeting = json.loads(receive_frame(ours)[1])
        answers = []
        for number, image in enumerate(images, 1):
            send_frame(ours, number, image)
            answered, payload = receive_frame(ours)
            assert answered == number
            answers.append(Scan.from_wire(payload))
    thread.join(30)
    assert not thread.is_alive()
    return greeting, answers


def test_a_worker_greets_with_the_version_and_answers_each_image(guard_with: Callable[..., Guard]) -> None:
    """The first frame back names the version that it opened; then one answer an image, with its number."""
    guard = guard_with()
    images = [encode(drawn(1), "JPEG"), b"not an image", b""]
    greeting, answers = talk(guard, images)
    assert greeting["version"] == guard.version
    assert answers == [guard.scanner.scan(image) for image in images]


def test_a_fault_while_scanning_is_never_a_pass(
    guard_with: Callable[..., Guard], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the scanner raises, the answer says not scannable, and the worker goes on."""
    guard = guard_with()
    faults = iter([ValueError("a fault"), MemoryError()])

    def broken(self: object, data: bytes) -> Scan:
        raise next(faults)

    monkeypatch.setattr(warmup, "run", lambda _: None)
    monkeypatch.setattr("ingest_guard.guard.scanner.Scanner.scan", broken)
    _, answers = talk(guard, [b"x", b"y"])
    assert [answer.reason for answer in answers] == [Reason.CORRUPT, Reason.MEMORY]


def test_a_fork_gives_up_what_it_does_not_need_before_it_greets(
    guard_with: Callable[..., Guard], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its greeting says what is in force, which process it is and what memory it has; then it serves."""
    guard, steps = guard_with(), list[str]()
    monkeypatch.setattr(sandbox, "die_with_parent", lambda parent: steps.append(f"parent {parent}"))
    monkeypatch.setattr(sandbox, "enter", lambda memory: steps.append(f"memory {memory}") or ["all"])
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=child.work, args=(guard, theirs, 42))
    thread.start()
    with ours, theirs:
        greeting = json.loads(receive_frame(ours)[1])
        send_frame(ours, 1, encode(drawn(1), "JPEG"))
        assert Scan.from_wire(receive_frame(ours)[1]).reason is None
        send_frame(ours, REPORT, b"")
        number, report = receive_frame(ours)
        ours.shutdown(socket.SHUT_WR)
        thread.join(30)
    assert steps == ["parent 42", f"memory {guard.policy.limits.memory}"]
    assert (greeting["version"], greeting["pid"], greeting["in_force"]) == (guard.version, os.getpid(), ["all"])
    assert number == REPORT
    assert set(json.loads(report)) == set(greeting["memory"]) == {"private", "clean", "pss"}


def test_a_worker_that_cannot_open_the_list_says_why(guard_with: Callable[..., Guard]) -> None:
    """The greeting of a worker that cannot work is an error, and the worker ends."""
    guard = guard_with()
    guard.blocklist.version = "f" * 64
    greeting, answers = talk(guard, [])
    assert "changed while a worker started" in str(greeting["error"])
    assert answers == []


def test_the_answer_reader_accepts_frames_in_any_pieces() -> None:
    """Frames come out whole and in order however the bytes arrive."""
    wire = b"".join(frame_header(number, number) + b"x" * number for number in range(5))
    for step in (1, 2, 3, 7, len(wire)):
        reader = AnswerReader()
        frames = [frame for at in range(0, len(wire), step) for frame in reader.feed(wire[at : at + step])]
        assert frames == [(number, b"x" * number) for number in range(5)]


def test_an_answer_that_is_too_long_is_refused_before_it_is_read() -> None:
    """A worker that announces a huge answer is cut off at the announcement."""
    with pytest.raises(ProtocolError):
        AnswerReader().feed(frame_header(1, LARGEST_ANSWER + 1))


SANDBOX = """
import errno, json, os, resource, socket, sys
from ingest_guard.workers import sandbox
target = sys.argv[1]
found = {"in_force": sandbox.enter(64 << 20)}
def attempt(name, action):
    try:
        action()
        found[name] = "done"
    except OSError as error:
        found[name] = errno.errorcode.get(error.errno, "?")
    except MemoryError:
        found[name] = "MemoryError"
attempt("read", lambda: open("/etc/passwd").read())
attempt("write", lambda: open(target, "w"))
attempt("symlink", lambda: os.symlink("/etc", target))
attempt("directory", lambda: os.mkdir(target))
attempt("socket", lambda: socket.create_connection(("127.0.0.1", 9)))
attempt("large", lambda: bytearray(128 << 20))
attempt("small", lambda: bytearray(1 << 20))
attempt("child", lambda: os.execv("/bin/true", ["true"]))
found["core"] = resource.getrlimit(resource.RLIMIT_CORE)
found["file size"] = resource.getrlimit(resource.RLIMIT_FSIZE)
print(json.dumps(found))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is made of Linux's own means")
def test_the_sandbox_takes_files_sockets_and_memory_away(tmp_path: object) -> None:
    """After entering, nothing can be opened, made or connected to, and memory is bounded."""
    target = f"{tmp_path}/made-by-a-worker"
    done = subprocess.run([sys.executable, "-c", SANDBOX, target], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert {"no_new_privs", "not_dumpable", "rlimit_fsize", "rlimit_data", "rlimit_nofile"} <= set(found["in_force"])
    for action in ("read", "write", "socket"):
        assert found[action] in ("EACCES", "EMFILE", "EPERM"), action
    if "landlock" in found["in_force"]:
        assert {found[action] for action in ("symlink", "directory", "child")} == {"EACCES"}
    assert found["large"] == "MemoryError"
    assert found["small"] == "done"
    assert found["core"] == found["file size"] == [0, 0]
    assert not os.path.lexists(target)


def test_a_worker_without_its_parent_leaves() -> None:
    """A process whose parent is not the one that it was told does not go on."""
    with pytest.raises(SystemExit):
        sandbox.die_with_parent(os.getpid())

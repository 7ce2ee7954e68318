from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.pictures import drawn, encode

from ingest_guard import Reason
from ingest_guard.guard.scan_result import Scan
from ingest_guard.workers import child, sandbox, warmup
from ingest_guard.workers.memory import OwnMemory
from ingest_guard.workers.protocol import CONFIGURATION, IMAGE, KILL, ORDER, REPORT, WORKER, receive_frame, send_frame
from ingest_guard.workers.source import _configuration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ingest_guard import Guard

_LOOP = """
import os, socket, sys
from ingest_guard.workers import child

def echo(sock, nursery):
    sock.sendall(f"{os.getpid()} {nursery}".encode())
    while data := sock.recv(100):
        sock.sendall(data)

def full():
    raise BlockingIOError(11, "no room")

if sys.argv[2] == "full":
    os.fork = full
child._REAP_EVERY = 0.02
child.serve_orders(socket.socket(fileno=int(sys.argv[1])), echo)
"""


def talk(guard: Guard, images: list[bytes]) -> tuple[dict[str, object], list[Scan]]:
    """Run a nursery's start and a worker's loop in a thread, without a fork and a sandbox, and send images."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        with theirs, suppress(EOFError):
            opened = child.prepare(theirs)
            if opened is not None:
                child.serve(theirs, opened, OwnMemory())

    thread = threading.Thread(target=serve)
    thread.start()
    with ours:
        send_frame(ours, CONFIGURATION, _configuration(guard))
        greeting = json.loads(receive_frame(ours)[1])
        answers = []
        for number, image in enumerate(images, 1):
            send_frame(ours, number, IMAGE + image)
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
        send_frame(ours, 1, IMAGE + encode(drawn(1), "JPEG"))
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


@contextmanager
def loop(how: str = "") -> Iterator[socket.socket]:
    """Run the loop in a process of its own; yield the parent's end of its socket, and see that it ends with it."""
    ours, theirs = socket.socketpair()
    with theirs:
        command = [sys.executable, "-c", _LOOP, str(theirs.fileno()), how]
        process = subprocess.Popen(command, pass_fds=(theirs.fileno(),))
    with ours, process:
        yield ours
        ours.close()
        assert process.wait(30) == 0


@pytest.fixture
def control() -> Iterator[socket.socket]:
    """Run the loop; yield the parent's end of its socket."""
    with loop() as ours:
        yield ours


def order(control: socket.socket, serial: int) -> tuple[socket.socket, int]:
    """Order a worker; return our end of its socket, and its process id."""
    ours, theirs = socket.socketpair()
    with theirs:
        socket.send_fds(control, [ORDER.pack(WORKER, serial)], [theirs.fileno()])
    ours.settimeout(30)
    pid, nursery = map(int, ours.recv(100).decode().split())
    assert pid != nursery
    return ours, pid


def wait_until_reaped(pid: int) -> None:
    """Wait until a process is gone altogether."""
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_each_order_makes_a_worker_on_its_own_socket(control: socket.socket) -> None:
    """Workers answer side by side, and one that leaves is reaped."""
    (one, first), (two, second) = order(control, 1), order(control, 2)
    with one, two:
        assert first != second
        two.sendall(b"to two")
        one.sendall(b"to one")
        assert (one.recv(100), two.recv(100)) == (b"to one", b"to two")
        one.close()
        wait_until_reaped(first)
        two.sendall(b"still there")
        assert two.recv(100) == b"still there"


def test_a_worker_is_killed_by_its_number(control: socket.socket) -> None:
    """An order to end one that does not listen; numbers that nobody has, or has any more, do nothing."""
    sock, pid = order(control, 7)
    with sock:
        os.kill(pid, signal.SIGSTOP)
        control.sendall(ORDER.pack(KILL, 8))
        control.sendall(ORDER.pack(KILL, 7))
        wait_until_reaped(pid)
        control.sendall(ORDER.pack(KILL, 7))
        assert sock.recv(1) == b""


def test_all_workers_end_with_the_socket(control: socket.socket) -> None:
    """When the crawl is gone, nobody is left, not even one that does not listen."""
    (one, first), (two, second) = order(control, 1), order(control, 2)
    with one, two:
        os.kill(second, signal.SIGSTOP)
        control.close()
        wait_until_reaped(first)
        wait_until_reaped(second)


def test_half_an_order_ends_the_loop(control: socket.socket) -> None:
    """What cannot come from the parent is not carried out."""
    sock, pid = order(control, 1)
    with sock:
        control.sendall(b"w")
        wait_until_reaped(pid)


def test_a_fork_that_fails_shows_as_the_end_of_the_socket() -> None:
    """The loop goes on; the parent counts a worker that ended."""
    with loop("full") as control:
        for serial in (1, 2):
            ours, theirs = socket.socketpair()
            with ours, theirs:
                socket.send_fds(control, [ORDER.pack(WORKER, serial)], [theirs.fileno()])
                theirs.close()
                ours.settimeout(30)
                assert ours.recv(1) == b""

from __future__ import annotations

import mmap
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ingest_guard.workers import forks
from ingest_guard.workers.memory import OwnMemory

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOOP = """
import os, socket, sys
from ingest_guard.workers import forks

def echo(sock, nursery):
    sock.sendall(f"{os.getpid()} {nursery}".encode())
    while data := sock.recv(100):
        sock.sendall(data)

def full():
    raise BlockingIOError(11, "no room")

if sys.argv[2] == "full":
    os.fork = full
forks._REAP_EVERY = 0.02
forks.run(socket.socket(fileno=int(sys.argv[1])), echo)
"""


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
        socket.send_fds(control, [forks.ORDER.pack(forks.WORKER, serial)], [theirs.fileno()])
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
        control.sendall(forks.ORDER.pack(forks.KILL, 8))
        control.sendall(forks.ORDER.pack(forks.KILL, 7))
        wait_until_reaped(pid)
        control.sendall(forks.ORDER.pack(forks.KILL, 7))
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
                socket.send_fds(control, [forks.ORDER.pack(forks.WORKER, serial)], [theirs.fileno()])
                theirs.close()
                ours.settimeout(30)
                assert ours.recv(1) == b""


def test_memory_is_told_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of its own, of files that only it has, and its share of all; nothing where the kernel does not tell."""
    told = OwnMemory().report()
    # Pages of its own making: what an allocator hands out may have been this process's before.
    with mmap.mmap(-1, 32 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as held:
        held.write(os.urandom(32 << 20))
        assert OwnMemory().report()["private"] - told["private"] > 20 << 20
    assert set(told) == {"private", "clean", "pss"}
    monkeypatch.setattr("ingest_guard.workers.memory._ROLLUP", "/nowhere")
    assert OwnMemory().report() == {}

"""What runs in the child processes: the nursery, which opens the lists, and the workers that it forks.

A worker reads an image from its socket, scans it, writes what was found. It has nothing else to do.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import socket
from functools import partial
from typing import TYPE_CHECKING

from PIL import AvifImagePlugin

from ingest_guard.guard.scan_result import Scan
from ingest_guard.guard.transfer import unpack_guard
from ingest_guard.verdict import Reason
from ingest_guard.workers import forks, sandbox, warmup
from ingest_guard.workers.memory import OwnMemory
from ingest_guard.workers.protocol import CONFIGURATION, REPORT, receive_frame, send_frame

if TYPE_CHECKING:
    from ingest_guard.guard.guard import Guard
    from ingest_guard.guard.scanner import Scanner


# Several workers with several threads each would only get in each other's way.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1


def main(descriptor: int, parent: int) -> None:
    """Run a nursery on an inherited socket until the other side closes it."""
    sandbox.die_with_parent(parent)
    # Before it is given anything: it may get the key of a keyed list.
    sandbox.hide()
    # A Ctrl-C in the terminal, or its end, reaches the whole process group; the crawl decides when a worker ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # A batch process does not push its way in when it is woken: without this, each image sent costs the event loop up
    # to a millisecond, in which the worker runs on its core. It gets the same share of the machine.
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    control = socket.socket(fileno=descriptor)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        guard = prepare(control)
        if guard is not None:
            forks.run(control, partial(work, guard))


def prepare(control: socket.socket) -> Guard | None:
    """Read the configuration, open the lists, load what scanning needs, and say so; None where that failed."""
    _, payload = receive_frame(control)
    try:
        guard = unpack_guard(payload)
        warmup.run(guard.scanner)
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent has to hear of it
        send_frame(control, CONFIGURATION, json.dumps({"error": f"{type(error).__name__}: {error}"}).encode())
        return None
    # All that is loaded by now stays: the collector need not look at it again with every few images, and must not
    # write to pages that the workers share.
    gc.collect()
    gc.freeze()
    greeting = {"version": guard.version, "memory": OwnMemory().report()}
    send_frame(control, CONFIGURATION, json.dumps(greeting).encode())
    return guard


def work(guard: Guard, sock: socket.socket, nursery: int) -> None:
    """Run a worker, in a fork of the nursery: give up what is not needed, say so, and scan until the socket closes."""
    sandbox.die_with_parent(nursery)
    memory = OwnMemory()
    in_force = sandbox.enter(guard.policy.limits.memory)
    greeting = {"version": guard.version, "pid": os.getpid(), "in_force": in_force, "memory": memory.report()}
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        send_frame(sock, CONFIGURATION, json.dumps(greeting).encode())
        serve(sock, guard.scanner, memory)


def serve(sock: socket.socket, scanner: Scanner, memory: OwnMemory) -> None:
    """Answer images, and questions about the memory, until the socket closes."""
    while True:
        number, data = receive_frame(sock)
        answer = json.dumps(memory.report()).encode() if number == REPORT else _scan(scanner, data).to_wire()
        send_frame(sock, number, answer)


def _scan(scanner: Scanner, data: bytes) -> Scan:
    try:
        return scanner.scan(data)
    except MemoryError:
        return Scan(reason=Reason.MEMORY)
    except Exception:  # noqa: BLE001 - a fault of ours must not read like a pass, nor end the worker
        return Scan(reason=Reason.CORRUPT)

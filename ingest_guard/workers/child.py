"""What runs in the child processes: the nursery, which opens the lists, and the workers that it forks.

The nursery forks a worker for each order, ends one on another order, and ends all of them when its parent has closed
the socket. It reaps its children itself, so that no process id in its hands can be another process's. A worker takes an
image or a text from its socket, scans or reads it, and writes what was found. It has nothing else to do.
"""

import contextlib
import gc
import json
import os
import select
import signal
import socket
import warnings
from collections.abc import Callable
from functools import partial

from PIL import AvifImagePlugin

from ingest_guard.guard.guard import Guard
from ingest_guard.guard.page_reading import pack_reading
from ingest_guard.guard.scan_result import Scan
from ingest_guard.guard.scanner import Scanner
from ingest_guard.guard.transfer import unpack_guard
from ingest_guard.verdict import Reason
from ingest_guard.workers import sandbox, warmup
from ingest_guard.workers.memory import OwnMemory
from ingest_guard.workers.protocol import (
    CONFIGURATION,
    KILL,
    ORDER,
    REPORT,
    TEXT,
    WORKER,
    receive_frame,
    receive_question,
    send_frame,
    send_pieces,
)

_REAP_EVERY = 1.0
_NICE = 5
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
    # to a millisecond, in which the worker runs on its core. Where there are fewer cores than work, the event loop goes
    # first: it waits for the network of all hosts, a worker for one picture.
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    control = socket.socket(fileno=descriptor)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        guard = prepare(control)
        if guard is not None:
            serve_orders(control, partial(work, guard))


def prepare(control: socket.socket) -> Guard | None:
    """Read the configuration, open the lists, load what scanning needs, and say so; None where that failed."""
    _, payload = receive_frame(control)
    try:
        guard = unpack_guard(payload)
        warmup.run(guard.scanner)
        warmup.read_pages(guard)
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


def serve_orders(control: socket.socket, become: Callable[[socket.socket, int], None]) -> None:
    """Serve orders until the other side closes the socket.

    Parameters
    ----------
    control
        Where orders come from.
    become
        Called in a fork with its socket and the process id of this process; the fork ends when it returns.
    """
    children: dict[int, int] = {}
    # A crawl with a thousand connections hands down a descriptor that select() cannot take.
    waiting = select.poll()
    waiting.register(control, select.POLLIN)
    try:
        while True:
            if waiting.poll(_REAP_EVERY * 1000):
                order, descriptors, _, _ = socket.recv_fds(control, ORDER.size, 1)
                if len(order) < ORDER.size:
                    return
                _carry_out(order, descriptors, control, children, become)
            _reap(children, os.WNOHANG)
    finally:
        for pid in children.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _reap(children, 0)


def work(guard: Guard, sock: socket.socket, nursery: int) -> None:
    """Run a worker, in a fork of the nursery: give up what is not needed, say so, and scan until the socket closes."""
    sandbox.die_with_parent(nursery)
    memory = OwnMemory()
    in_force = sandbox.enter(guard.policy.limits.memory)
    greeting = {"version": guard.version, "pid": os.getpid(), "in_force": in_force, "memory": memory.report()}
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        send_frame(sock, CONFIGURATION, json.dumps(greeting).encode())
        serve(sock, guard, memory)


def serve(sock: socket.socket, guard: Guard, memory: OwnMemory) -> None:
    """Answer images, texts, and questions about the memory, until the socket closes."""
    while True:
        asked = receive_question(sock)
        if asked.number == REPORT:
            send_frame(sock, REPORT, json.dumps(memory.report()).encode())
        elif asked.letter == TEXT:
            send_pieces(sock, asked.number, pack_reading(guard.read(asked.data, asked.declared, asked.page)))
        else:
            send_frame(sock, asked.number, _scan(guard.scanner, asked.data).to_wire())


def _scan(scanner: Scanner, data: bytes) -> Scan:
    try:
        return scanner.scan(data)
    except MemoryError:
        return Scan(reason=Reason.MEMORY)
    except Exception:  # noqa: BLE001 - a fault of ours must not read like a pass, nor end the worker
        return Scan(reason=Reason.CORRUPT)


def _carry_out(
    order: bytes,
    descriptors: list[int],
    control: socket.socket,
    children: dict[int, int],
    become: Callable[[socket.socket, int], None],
) -> None:
    letter, serial = ORDER.unpack(order)
    if letter == WORKER and descriptors:
        with socket.socket(fileno=descriptors[0]) as sock, contextlib.suppress(OSError):
            # A fork that fails shows as the end of the socket.
            children[serial] = _fork(sock, control, become)
    elif letter == KILL and serial in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(children[serial], signal.SIGKILL)


def _fork(sock: socket.socket, control: socket.socket, become: Callable[[socket.socket, int], None]) -> int:
    nursery = os.getpid()
    with warnings.catch_warnings():
        # Python warns of threads that a fork leaves behind: onnxruntime's own, which a worker does without.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid:
        return pid
    # Nothing of the nursery's own may run in here, however this ends.
    try:
        control.close()
        become(sock, nursery)
    finally:
        os._exit(0)


def _reap(children: dict[int, int], options: int) -> None:
    for serial, pid in list(children.items()):
        ended, _ = os.waitpid(pid, options)
        if ended:
            del children[serial]

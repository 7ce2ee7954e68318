"""The worker process: read an image from the socket, scan it, write what was found. It has nothing else to do."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import socket
from typing import TYPE_CHECKING

from PIL import AvifImagePlugin

from ingest_guard.blocklist.artifact import Blocklist
from ingest_guard.guard import Guard
from ingest_guard.policy import Policy
from ingest_guard.scanned import Scan
from ingest_guard.scrapy_plugin.workers import sandbox, warmup
from ingest_guard.scrapy_plugin.workers.protocol import CONFIGURATION, receive_frame, send_frame
from ingest_guard.verdict import Reason

if TYPE_CHECKING:
    from ingest_guard.scan import Scanner


# Several workers with several threads each would only get in each other's way.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1


def main(descriptor: int, parent: int) -> None:
    """Run a worker on an inherited socket until the other side closes it."""
    sandbox.die_with_parent(parent)
    # A Ctrl-C in the terminal reaches the whole process group; the parent decides when a worker ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A batch process does not push its way in when it is woken: without this, each image sent costs the event loop up
    # to a millisecond, in which the worker runs on its core. It gets the same share of the machine.
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    sock = socket.socket(fileno=descriptor)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        scanner = prepare(sock, confined=True)
        if scanner is not None:
            serve(sock, scanner)


def prepare(sock: socket.socket, *, confined: bool) -> Scanner | None:
    """Read the configuration, open the lists, give up what is not needed, and say so; None where that failed."""
    _, payload = receive_frame(sock)
    try:
        configuration = json.loads(payload)
        policy = Policy.from_json(configuration["policy"])
        # The parent has decided about age and emptiness; what counts here is that it is the very same version.
        blocklist = Blocklist.open(policy.blocklist, allow_empty=True)
        if blocklist.version != configuration["version"]:
            raise ValueError("the blocklist changed while the worker started")  # noqa: TRY301 - reported just below
        scanner = Guard(blocklist, policy).scanner
        warmup.run(scanner)
        # All that is loaded by now stays: the collector need not look at it again with every few images.
        gc.collect()
        gc.freeze()
        in_force = sandbox.enter(policy.limits.memory) if confined else []
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent has to hear of it
        send_frame(sock, CONFIGURATION, json.dumps({"error": f"{type(error).__name__}: {error}"}).encode())
        return None
    send_frame(sock, CONFIGURATION, json.dumps({"version": blocklist.version, "in_force": in_force}).encode())
    return scanner


def serve(sock: socket.socket, scanner: Scanner) -> None:
    """Answer images until the socket closes."""
    while True:
        number, data = receive_frame(sock)
        send_frame(sock, number, _scan(scanner, data).to_wire())


def _scan(scanner: Scanner, data: bytes) -> Scan:
    try:
        return scanner.scan(data)
    except MemoryError:
        return Scan(reason=Reason.MEMORY)
    except Exception:  # noqa: BLE001 - a fault of ours must not read like a pass, nor end the worker
        return Scan(reason=Reason.CORRUPT)

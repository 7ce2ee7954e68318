"""The nursery's own loop: fork a worker for each order, end one on another's, and all of them when the crawl is gone.

An order is a letter and a serial number that the parent has chosen; with the order for a worker comes its end of a
socket pair. The nursery reaps its children itself, so that no process id in its hands can be another process's.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ORDER = struct.Struct("!cI")
WORKER, KILL = b"w", b"k"
_REAP_EVERY = 1.0


def run(control: socket.socket, become: Callable[[socket.socket, int], None]) -> None:
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

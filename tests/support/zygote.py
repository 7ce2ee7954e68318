"""A process that has Scrapy and the guard imported, and forks one child for each crawl: ``python -m scrapy``, sooner.

Each child is what a fresh interpreter would be by then: no reactor, no settings, no project. Importing everything costs
more than most crawls of the tests do.

It reads one JSON object a line (``argv``, ``cwd``, ``environment``, ``output``) and writes two JSON lines for each
child: its number in that order with its process id, and, when it has ended, with its exit code. It ends when its
standard input does.

Each crawl finds an egg beside it: a fork of the same process that becomes the first nursery of its workers. Tests of
how nurseries start, are ended and are replaced run crawls in interpreters of their own.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


_TICK = 0.02
_LARGEST_ORDER = 1 << 16
_MODULES = (
    "imagehash",
    "ingest_guard.cli.crawl",
    "ingest_guard.scrapy_plugin.extension",
    "ingest_guard.workers.child",
    "requests",
    "scipy.fft",
    "scrapy.cmdline",
    "scrapy.commands.crawl",
    "scrapy.commands.fetch",
    "scrapy.commands.shell",
    "scrapy.contracts",
    "scrapy.core.downloader.handlers.http11",
    "scrapy.core.engine",
    "scrapy.core.scraper",
    "scrapy.downloadermiddlewares.cookies",
    "scrapy.downloadermiddlewares.httpcache",
    "scrapy.extensions.feedexport",
    "scrapy.pipelines.images",
    "scrapy.resolver",
    "scrapy.shell",
    "tldextract",
    "twisted.web.client",
)


class Running:
    """A child, for the tests: what they need of a ``subprocess.Popen``.

    Parameters
    ----------
    seconds
        After which it must have ended.
    """

    def __init__(self, seconds: float) -> None:
        self.started: Future[int] = Future()
        self.ended: Future[int] = Future()
        self._seconds = seconds

    @property
    def pid(self) -> int:
        """Its process id, and that of its group."""
        return self.started.result(self._seconds)

    @property
    def returncode(self) -> int | None:
        """Its exit code, None while it runs."""
        return self.ended.result() if self.ended.done() else None

    def poll(self) -> int | None:
        """Return its exit code, None while it runs."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; return its exit code."""
        return self.ended.result(timeout or self._seconds)

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)


class Zygote:
    """The process, seen from the tests."""

    def __init__(self, python_path: Path) -> None:
        environment = {name: value for name, value in os.environ.items() if name != "SCRAPY_SETTINGS_MODULE"}
        # Threads do not survive a fork: there must be none.
        environment |= {"PYTHONPATH": str(python_path), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, __file__], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._running: list[Running] = []
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def start(
        self, argv: Sequence[str], *, cwd: Path, environment: Mapping[str, str], output: Path, seconds: float
    ) -> Running:
        """Run ``python -m`` with these arguments, or ``ingest-guard``, in a process group of its own.

        It is ended after so many seconds.
        """
        order = {"argv": argv, "cwd": str(cwd), "environment": dict(environment), "output": str(output)}
        running = Running(seconds + 10)
        with self._lock:
            self._running.append(running)
            if self._process.stdin:
                self._process.stdin.write(json.dumps({**order, "seconds": seconds}).encode() + b"\n")
                self._process.stdin.flush()
        return running

    def close(self) -> None:
        """End it; its children end by themselves or by their time limit."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait()
        self._reader.join()
        if self._process.stdout:
            self._process.stdout.close()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            answer = json.loads(line)
            running = self._running[answer["number"]]
            if "pid" in answer:
                running.started.set_result(answer["pid"])
            else:
                running.ended.set_result(answer["exit_code"])


def main() -> None:
    """Fork as asked until the end of standard input; go on as the child of the last fork."""
    _import_everything()
    answers = os.dup(1)
    order = _serve(answers)
    if order is not None:
        os.close(answers)
        _become(order)


def _serve(answers: int) -> dict[str, Any] | None:
    """Return an order in the child that is to carry it out, None when there will be no more."""
    running: dict[int, tuple[int, float]] = {}
    pending, number, is_open = b"", 0, True
    while is_open or running:
        if is_open and select.select([0], [], [], _TICK if running else None)[0]:
            data = os.read(0, 1 << 16)
            is_open = bool(data)
            *lines, pending = (pending + data).split(b"\n")
            for order in map(json.loads, lines):
                egg = Egg()
                pid = os.fork()
                if pid == 0:
                    egg.take()
                    return dict(order)
                egg.leave()
                os.write(answers, json.dumps({"number": number, "pid": pid}).encode() + b"\n")
                running[pid] = number, time.monotonic() + order["seconds"]
                number += 1
        _reap(running, answers)
        if not is_open:
            time.sleep(_TICK)
    return None


def _reap(running: dict[int, tuple[int, float]], answers: int) -> None:
    """Tell of the children that have ended, and end those that overran."""
    for pid, (number, deadline) in list(running.items()):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            del running[pid]
            answer = {"number": number, "exit_code": os.waitstatus_to_exitcode(status)}
            os.write(answers, json.dumps(answer).encode() + b"\n")
        elif time.monotonic() > deadline:
            os.killpg(pid, signal.SIGKILL)
    Egg.reap()


class Egg:
    """A fork that becomes a nursery once the crawl beside it asks for one, or ends with that crawl."""

    _pids: ClassVar[set[int]] = set()

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            self._ours.close()
            self._hatch(theirs)
        theirs.close()
        self._pids.add(self.pid)
        self._watch = os.pidfd_open(self.pid)

    def take(self) -> None:
        """Let this process, the crawl, have it as its first nursery."""
        from ingest_guard.workers import nursery  # noqa: PLC0415 - imported before the fork

        usual = nursery._spawn

        def spawn(theirs: socket.socket) -> Egg:
            nursery._spawn = usual
            order = {"environment": nursery.environment(), "path": sys.path, "folder": os.getcwd()}  # noqa: PTH109 - a string
            socket.send_fds(self._ours, [json.dumps(order).encode()], [theirs.fileno()])
            self._ours.close()
            return self

        nursery._spawn = spawn  # type: ignore[assignment]

    def leave(self) -> None:
        """Keep nothing open of it in this process."""
        self._ours.close()
        os.close(self._watch)

    @classmethod
    def reap(cls) -> None:
        """Wait for those that have ended."""
        cls._pids -= {pid for pid in cls._pids if os.waitpid(pid, os.WNOHANG)[0]}

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, as a process that a crawl started itself can be waited for."""
        if not select.select([self._watch], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("a nursery", timeout or 0.0)
        return 0

    def kill(self) -> None:
        """End it."""
        signal.pidfd_send_signal(self._watch, signal.SIGKILL)

    @staticmethod
    def _hatch(order_socket: socket.socket) -> NoReturn:
        code = 1
        try:
            data, descriptors, _, _ = socket.recv_fds(order_socket, _LARGEST_ORDER, 1)
            order_socket.close()
            if data:
                order = json.loads(data)
                nothing = os.open(os.devnull, os.O_RDWR)
                for standard in range(3):
                    os.dup2(nothing, standard)
                os.chdir(order["folder"])
                os.environ.clear()
                os.environ.update(order["environment"])
                sys.path[:] = order["path"]
                _nursery_main()(descriptors[0], os.getppid())
            code = 0
        finally:
            os._exit(code)


def _nursery_main() -> Callable[[int, int], None]:
    from ingest_guard.workers.child import main  # noqa: PLC0415 - imported before the fork

    return main


def _import_everything() -> None:
    """Import what a crawl imports, short of the reactor that it chooses."""
    for name in _MODULES:
        importlib.import_module(name)
    if "twisted.internet.reactor" in sys.modules:
        raise RuntimeError("a reactor is installed before the crawl could choose one")


def _become(order: dict[str, Any]) -> None:
    """Turn this process into what was asked for."""
    os.setsid()
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["environment"])
    # Some module may have asked for the folder of temporary files before this one had its TMPDIR.
    tempfile.tempdir = None
    with open(order["output"], "wb") as output, open(os.devnull, "rb") as nothing:  # noqa: PTH123 - descriptors are what counts
        os.dup2(nothing.fileno(), 0)
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    module, *arguments = order["argv"]
    sys.path[0] = order["cwd"]
    sys.argv = ["", *arguments]
    if module == "ingest-guard":
        sys.argv[0] = module
        sys.exit(importlib.import_module("ingest_guard.cli").main())
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()

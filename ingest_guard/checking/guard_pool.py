"""The guard for any asyncio program: bodies are checked as a crawl checks them, hostile ones in isolated processes."""

from __future__ import annotations

import asyncio
import logging
import os
from types import TracebackType
from typing import Any, Self

from ingest_guard.checking.bodies import decide, look, undo_codings
from ingest_guard.encodings.stages import content_codings
from ingest_guard.errors import GuardFailedError
from ingest_guard.guard.guard import Guard
from ingest_guard.pages.reading import PageQuestion, PageReading
from ingest_guard.policy.policy import Policy
from ingest_guard.verdict import Reason, Verdict
from ingest_guard.workers.inline import InlinePool
from ingest_guard.workers.pool import WorkerPool

logger = logging.getLogger(__name__)


class GuardPool:
    """A guard with workers of its own, as an async context manager; for one event loop.

    ::

        async with GuardPool.from_policy("policy.yaml") as pool:
            verdict = await pool.check(body)

    Digests are taken and matched in this process; images are decoded, and texts are read, in workers that hold nothing
    else: the policy's limits of memory and time are theirs, and a body that kills one is ``not_scannable``. With
    ``workers: inline`` there are no processes, and whatever a decoder does, it does here. As many checks as
    ``in_flight`` says go on at a time; others wait in :meth:`check`, with their bodies.

    Parameters
    ----------
    policy
        With the lists, limits and workers.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._guard: Guard | None = None
        self._pool: WorkerPool | InlinePool | None = None
        self._failure = "the pool is not open; use it in: async with GuardPool.from_policy(...) as pool"

    @classmethod
    def from_policy(cls, policy: Policy | str | os.PathLike[str]) -> Self:
        """Return a pool for a policy, or for a policy file. Nothing is opened or started yet.

        Raises
        ------
        PolicyError
            The file cannot be read, or says something that it must not.
        """
        return cls(policy if isinstance(policy, Policy) else Policy.load(policy))

    async def __aenter__(self) -> Self:
        """Open the lists, start the workers, and wait until each is ready.

        Raises
        ------
        BlocklistError, PolicyError
            As :meth:`ingest_guard.Guard.from_policy` does.
        GuardFailedError
            No worker can be started, or one cannot work.
        """
        if self._pool is not None:
            raise GuardFailedError("the pool is open already")
        guard = await asyncio.to_thread(Guard.from_policy, self._policy)
        pool = WorkerPool(guard, self._fail) if guard.policy.worker_count else InlinePool(guard)
        self._failure = ""
        try:
            pool.start()
            await pool.ready()
        except OSError as error:
            pool.close()
            self._fail(f"no scan worker can be started ({error.strerror})")
            raise GuardFailedError(self._failure) from None
        except BaseException:
            pool.close()
            raise
        self._guard, self._pool = guard, pool
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End all processes, and wait for that; what is still under way ends with GuardFailedError."""
        pool, self._pool = self._pool, None
        self._failure = self._failure or "the pool is closed"
        if pool is not None:
            pool.close()

    @property
    def limit(self) -> int:
        """Bodies that can be worth having at a time: more would only wait in memory (the policy's ``in_flight``)."""
        return self._policy.in_flight.images

    @property
    def attestation(self) -> dict[str, Any]:
        """What records of checked images say of the check: lists, algorithms, ``check_set`` (docs/attestation.md)."""
        return dict(self._opened().attestation)

    async def check(
        self, data: bytes, *, content_encoding: str | None = None, content_type: str | None = None
    ) -> Verdict:
        """Check one body.

        Parameters
        ----------
        data
            As it was sent, or with its Content-Encoding undone. It is never changed, and nothing of it is kept.
        content_encoding
            The header's value where ``data`` is still encoded, such as ``gzip``; each stage is held against the lists.
        content_type
            The header's value, for the charset of texts; what a body is, its bytes say.

        Returns
        -------
        Verdict
            Whatever the bytes are. Only ``no_known_match`` says that an image was looked at and is on no list.

        Raises
        ------
        GuardFailedError
            The pool cannot check anything (any more): it is not open, its workers do not work, or a fault of the guard
            came up. Nothing may be let through then.
        """
        guard, pool = self._opened(), self._pool
        if pool is None:
            raise GuardFailedError(self._failure)
        try:
            verdict = await self._check(guard, pool, bytes(data), content_encoding, content_type)
        except Exception as error:  # noqa: BLE001 - the traceback would hold the body
            logger.error("ingest_guard could not check a body (%s)", type(error).__name__)  # noqa: TRY400 - as above
            raise GuardFailedError(f"a body could not be checked ({type(error).__name__})") from None
        if self._failure or verdict.reason is Reason.GUARD_FAILED:
            raise GuardFailedError(self._failure or "the workers failed")
        return verdict

    @staticmethod
    async def _check(
        guard: Guard, pool: WorkerPool | InlinePool, data: bytes, encoding: str | None, declared: str | None
    ) -> Verdict:
        codings = content_codings([encoding.encode("latin-1", "replace")] if encoding else [])
        stages = await undo_codings(data, codings, guard.policy.limits.bytes)

        async def read(text: bytes, declared: str | None, question: PageQuestion | None) -> PageReading:
            return await pool.read(text, declared, question=question)

        inquiry, _ = await look(guard, read, stages.bodies[-1], declared)
        scans = [await pool.scan(part.data) for part in inquiry.parts]
        verdict, _ = await decide(guard, stages, inquiry, scans)
        return verdict

    def _opened(self) -> Guard:
        if self._failure or self._guard is None:
            raise GuardFailedError(self._failure)
        return self._guard

    def _fail(self, why: str) -> None:
        self._failure = self._failure or why

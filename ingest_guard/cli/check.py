"""``ingest-guard check``: check files against a blocklist; each gets one line of JSON."""

import asyncio
import json
import os
import sys
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import click

from ingest_guard.checking.guard_pool import GuardPool
from ingest_guard.cli.main import FAILED, MATCHED, NOT_SCANNED, OK, WRONG_USE
from ingest_guard.errors import GuardFailedError
from ingest_guard.policy import Policy
from ingest_guard.verdict import ImageFacts, Outcome, Verdict

# The exit code is the gravest of all files' codes.
_GRAVITY = (WRONG_USE, FAILED, MATCHED, NOT_SCANNED, OK)


@click.command("check")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True))
@click.option("--policy", "policy_file", type=click.Path(path_type=Path), help="The policy to check by.")
@click.option("--blocklist", type=click.Path(path_type=Path), help="A blocklist folder, with all else as by default.")
@click.option("--jobs", type=click.IntRange(1, 1024), help="Isolated processes that decode; else one for each core.")
@click.option("--show-hashes", is_flag=True, help="Print the fingerprints of files that matched, too.")
def command(
    files: tuple[Path, ...], policy_file: Path | None, blocklist: Path | None, jobs: int | None, *, show_hashes: bool
) -> int:
    """Check FILES (or - for standard input) and print one JSON object for each, in their order.

    Exit code: 0 nothing known matched, 1 a match, 2 wrong use, 3 something could not be scanned, 4 the guard failed.
    """
    if (policy_file is None) == (blocklist is None):
        raise click.UsageError("name either --policy FILE or --blocklist FOLDER")
    policy = Policy.load(policy_file) if policy_file else Policy(blocklist=(blocklist or Path()).resolve())
    if policy.worker_count:
        policy = policy.model_copy(update={"workers": jobs or _cores()})
    codes = asyncio.run(_check(files, policy, show_hashes=show_hashes))
    return next(code for code in _GRAVITY if code in codes)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


async def _check(files: tuple[Path, ...], policy: Policy, *, show_hashes: bool) -> set[int]:
    """Print what is found of each file; return the codes of all."""
    codes = {OK}
    async with GuardPool.from_policy(policy) as pool:
        async for file, found in _verdicts(files, pool, policy.worker_count):
            if isinstance(found, OSError):
                click.echo(f"ingest-guard: {file}: cannot be read ({found.strerror or type(found).__name__})", err=True)
                codes.add(WRONG_USE)
            elif isinstance(found, GuardFailedError):
                click.echo(f"ingest-guard: {file}: the guard failed ({found})", err=True)
                codes.add(FAILED)
            else:
                codes.add({Outcome.MATCH: MATCHED, Outcome.NOT_SCANNABLE: NOT_SCANNED}.get(found.outcome, OK))
                click.echo(json.dumps(as_json(str(file), found, show_hashes=show_hashes)))
    return codes


_Found = Verdict | OSError | GuardFailedError


async def _verdicts(files: tuple[Path, ...], pool: GuardPool, workers: int) -> AsyncIterator[tuple[Path, _Found]]:
    """Yield what is found of each file, in their order; twice as many as there are workers are in memory at most."""
    under_way: deque[tuple[Path, asyncio.Task[_Found]]] = deque()
    for file in files:
        under_way.append((file, asyncio.create_task(_verdict(file, pool))))
        if len(under_way) > 2 * workers:
            first, task = under_way.popleft()
            yield first, await task
    for file, task in under_way:
        yield file, await task


async def _verdict(file: Path, pool: GuardPool) -> _Found:
    try:
        data = await asyncio.to_thread(sys.stdin.buffer.read if str(file) == "-" else file.read_bytes)
        return await pool.check(data)
    except (OSError, GuardFailedError) as error:
        return error


def as_json(file: str, verdict: Verdict, *, show_hashes: bool) -> dict[str, Any]:
    """Return a verdict as the command prints it; a match's hashes only where they were asked for."""
    hide = verdict.outcome is Outcome.MATCH and not show_hashes
    return {
        "file": file,
        "outcome": verdict.outcome,
        "reason": verdict.reason,
        "matches": [
            {"list_id": m.list_id, "algorithm": m.algorithm, "distance": m.distance, "view": m.view}
            for m in verdict.matches
        ],
        "image": _image(verdict.image, hide=hide) if verdict.image else None,
    }


def _image(image: ImageFacts, *, hide: bool) -> dict[str, Any]:
    return {
        "format": image.format,
        "width": image.width,
        "height": image.height,
        "frames": image.frames,
        "pdq_quality": image.pdq_quality,
        "fingerprints": {} if hide else dict(image.fingerprints),
    }

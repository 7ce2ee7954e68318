"""``ingest-guard check``: check files against a blocklist; each gets one line of JSON."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from ingest_guard.cli.main import FAILED, MATCHED, NOT_SCANNED, OK, WRONG_USE
from ingest_guard.guard.guard import Guard
from ingest_guard.policy import Policy
from ingest_guard.verdict import ImageFacts, Outcome, Verdict

# The exit code is the gravest of all files' codes.
_GRAVITY = (WRONG_USE, FAILED, MATCHED, NOT_SCANNED, OK)


@click.command("check")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True))
@click.option("--policy", "policy_file", type=click.Path(path_type=Path), help="The policy to check by.")
@click.option("--blocklist", type=click.Path(path_type=Path), help="A blocklist folder, with all else as by default.")
@click.option("--show-hashes", is_flag=True, help="Print the fingerprints of files that matched, too.")
def command(files: tuple[Path, ...], policy_file: Path | None, blocklist: Path | None, *, show_hashes: bool) -> int:
    """Check FILES (or - for standard input) and print one JSON object for each.

    Exit code: 0 nothing known matched, 1 a match, 2 wrong use, 3 something could not be scanned, 4 the guard failed.
    """
    if (policy_file is None) == (blocklist is None):
        raise click.UsageError("name either --policy FILE or --blocklist FOLDER")
    policy = Policy.load(policy_file) if policy_file else Policy(blocklist=(blocklist or Path()).resolve())
    guard = Guard.from_policy(policy)
    guard.scanner.prepare()
    codes = {OK}
    for file in files:
        try:
            data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        except OSError as error:
            click.echo(f"ingest-guard: {file}: cannot be read ({error.strerror or type(error).__name__})", err=True)
            codes.add(WRONG_USE)
            continue
        try:
            verdict = guard.check(data)
        except Exception as error:  # noqa: BLE001 - one file must not hide the others, nor end as a pass
            click.echo(f"ingest-guard: {file}: the guard failed ({type(error).__name__})", err=True)
            codes.add(FAILED)
            continue
        codes.add({Outcome.MATCH: MATCHED, Outcome.NOT_SCANNABLE: NOT_SCANNED}.get(verdict.outcome, OK))
        click.echo(json.dumps(as_json(str(file), verdict, show_hashes=show_hashes)))
    return next(code for code in _GRAVITY if code in codes)


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

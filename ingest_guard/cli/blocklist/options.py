"""The options that several ``blocklist`` commands share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ingest_guard.blocklist.build.build import DEFAULT_KEEP, MAX_REJECTED_SHARE, MAX_SHRINK, ListSource
from ingest_guard.blocklist.parts.seal import read_key
from ingest_guard.blocklist.transfer.encryption import read_recipients
from ingest_guard.guard.credentials import list_key
from ingest_guard.hashing.onnx import install
from ingest_guard.policy import Policy
from ingest_guard.signing.keys import read_signing_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)


def _together(*options: _Decorator) -> _Decorator:
    """Return one decorator that adds several options, in the order in which help shows them."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def _sources(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> list[ListSource]:
    """Split each value at its first two colons: a file name may hold more."""
    sources = []
    for value in values:
        parts = value.split(":", 2)
        if len(parts) != 3 or not all(parts):  # noqa: PLR2004 - as the metavar says
            raise click.BadParameter(
                f"{value!r} is not ID:FORMAT:FILE, as in my-list:plain:hashes.txt", ctx=ctx, param=param
            )
        sources.append(ListSource(parts[0], parts[1], Path(parts[2])))
    return sources


def _take_from_policy(ctx: click.Context, param: click.Parameter, file: Path | None) -> Policy | None:
    """Take defaults from a policy's section ``build``; the option is read before all others."""
    del param
    if file is None:
        return None
    policy = Policy.load(file)
    install(policy.encoders)
    ctx.default_map = {**(ctx.default_map or {}), **policy.build.model_dump()}
    return policy


def _signing_key(ctx: click.Context, param: click.Parameter, file: Path | None) -> Ed25519PrivateKey | None:
    del ctx, param
    return None if file is None else read_signing_key(file)


lists = click.option(
    "--list",
    "sources",
    metavar="ID:FORMAT:FILE",
    callback=_sources,
    multiple=True,
    help="A list file, what it is to be called, and its format: plain, ncmec, vics, stopncii, tat, threatexchange, "
    "journal, urls, domains, or map=CONFIG.yaml for a table described there. Repeatable.",
)
removals = click.option(
    "--remove",
    "removals",
    metavar="ID:FORMAT:FILE",
    callback=_sources,
    multiple=True,
    help="A file of values to take out of a list. Repeatable.",
)
policy = click.option(
    "--policy",
    metavar="FILE",
    type=FILE,
    is_eager=True,
    callback=_take_from_policy,
    help="A policy: its section 'build' stands for options that are not given; it names owners, key and encoders.",
)
keep = click.option(
    "--keep", type=click.IntRange(1), default=DEFAULT_KEEP, show_default=True, help="Versions to retain."
)
_SHARE: dict[str, Any] = {"metavar": "SHARE", "type": click.FloatRange(0, 1), "show_default": True}
brakes = _together(
    click.option(
        "--accept", is_flag=True, help="Go on even if many rows of a list cannot be used, or a list shrinks by much."
    ),
    click.option(
        "--max-rejected",
        default=MAX_REJECTED_SHARE,
        help="Share of a list's rows that may be rejected without --accept.",
        **_SHARE,
    ),
    click.option(
        "--max-shrink",
        default=MAX_SHRINK,
        help="Share of its entries that a list may lose without --accept.",
        **_SHARE,
    ),
)
# The key itself never stands on a command line, which all users of a machine see.
key = _together(
    click.option(
        "--key-env", metavar="NAME", help="Environment variable with the key of a keyed ('sealed') blocklist."
    ),
    click.option("--key-file", metavar="FILE", type=FILE, help="File with that key, in hex or Base64."),
)
signing = click.option(
    "--sign-key",
    "signing_key",
    metavar="FILE",
    type=FILE,
    callback=_signing_key,
    help="Sign the version with this private Ed25519 key, before it becomes the current one.",
)
reports = _together(
    click.option("--json", "as_json", is_flag=True, help="Print the report as JSON."),
    click.option("--report", "report_file", metavar="FILE", type=FILE, help="Write the report as JSON, too."),
)


def owned(sources: list[ListSource], policy: Policy | None) -> list[ListSource]:
    """Return the lists with their owners, as the policy names them."""
    entries = policy.lists if policy else {}
    return [
        replace(source, owner=entries[source.list_id].owner) if source.list_id in entries else source
        for source in sources
    ]


def all_recipients(given: tuple[str, ...], file: Path | None) -> tuple[str, ...]:
    """Return the age recipients of the command line and of a file."""
    return given if file is None else (*given, *read_recipients(file))


def key_of(env: str | None, file: Path | None, policy: Policy | None = None) -> bytes | None:
    """Return the key that the options name, or else the policy; None if they name none.

    Raises
    ------
    click.UsageError
        The options name two.
    BlocklistError
        There is no key, or it is invalid.
    """
    if env is not None and file is not None:
        raise click.UsageError("name the key once: either --key-env or --key-file")
    if env is None and file is None:
        return list_key(policy) if policy else None
    return read_key(env=env, file=file)

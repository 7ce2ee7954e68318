"""``ingest-guard attest verify | show | write | sign``: is a data set what its manifest says, and who vouches."""

import json
from pathlib import Path

import click

from ingest_guard.cli.main import FAILED, OK, print_signers
from ingest_guard.dataset.attestation import draft, facts, files
from ingest_guard.dataset.attestation.manifest import NAME, Manifest, read_manifest
from ingest_guard.dataset.attestation.promises import format_manifest, numbered
from ingest_guard.dataset.attestation.verify import Findings, verify
from ingest_guard.policy import Policy
from ingest_guard.signing.keys import read_public_key, read_signing_key

_FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)
_FILE = click.Path(path_type=Path, dir_okay=False)
_SIGN_KEY = click.option(
    "--sign-key",
    type=_FILE,
    metavar="FILE",
    envvar="INGEST_GUARD_SIGN_KEY",
    help="Sign it with this private Ed25519 key (blocklist keygen --sign FILE makes one).",
)


@click.group("attest")
def command() -> None:
    """Show, verify, write and sign what a data set says of how it was made."""


@command.command("verify")
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option(
    "--signer",
    "signers",
    multiple=True,
    metavar="HEX|FILE",
    help="Public key of who must have signed it. Repeatable: one of them must have.",
)
@click.option(
    "--policy", "policy_file", type=_FILE, metavar="FILE", help="The policy by which every run must have gone."
)
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def verify_command(folder: Path, signers: tuple[str, ...], policy_file: Path | None, *, as_json: bool) -> int:
    """Compare the shards in DIR with their manifest; every byte of them is read.

    Exit code: 0 everything holds, 4 something does not, or there is no manifest; 2 wrong use.
    """
    keys = [read_public_key(each) for each in signers]
    digest = None if policy_file is None else facts.policy_digest(Policy.load(policy_file))
    found = verify(folder, signers=keys, policy_digest=digest)
    if as_json:
        click.echo(json.dumps(_as_json(found), indent=1))
    else:
        _print_findings(found)
    return FAILED if found.problems else OK


@command.command("show")
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as it is.")
def show_command(folder: Path, *, as_json: bool) -> int:
    """Show in words what the manifest in DIR says. Nothing is verified."""
    data = read_manifest(folder)
    manifest = Manifest.parse(data)
    if as_json:
        click.echo(data, nl=False)
        return OK
    for line in format_manifest(manifest):
        click.echo(_printable(line))
    return OK


@command.command("write")
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option(
    "--policy", "policy_file", type=_FILE, metavar="FILE", help="Take 'dataset' (name, licence ...) from this."
)
@_SIGN_KEY
def write_command(folder: Path, policy_file: Path | None, sign_key: Path | None) -> int:
    """Write the manifest in DIR anew: after a crawl that was killed, or with another name, licence or key.

    Shards that a manifest has vouched for must be what they were. No crawl may be writing into DIR.
    """
    policy = None if policy_file is None else Policy.load(policy_file)
    path = sign_key or (policy.dataset.sign_key if policy else None)
    key = read_signing_key(path) if path else None
    manifest = draft.reissue(folder, about=None if policy is None else facts.about(policy), key=key)
    click.echo(f"{NAME}: {numbered(manifest.rows, 'record')} in {numbered(len(manifest.shards), 'shard')}")
    _print_signers(files.signers(folder, read_manifest(folder)))
    return OK


@command.command("sign")
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--sign-key", type=_FILE, required=True, metavar="FILE", help="Private Ed25519 key.")
def sign_command(folder: Path, sign_key: Path) -> int:
    """Verify DIR, and sign its manifest; who signed it before stays in the signature."""
    key = read_signing_key(sign_key)
    found = verify(folder)
    if found.problems:
        _print_findings(found)
        return FAILED
    _print_signers(files.countersign(folder, found.sha256, key))
    return OK


def _print_findings(found: Findings) -> None:
    manifest = found.manifest
    for line in found.problems:
        click.echo(_printable(f"does not hold: {line}"))
    for line in found.notes:
        click.echo(f"note: {line}")
    if found.problems:
        return
    what = f"{numbered(manifest.rows, 'record')} in {numbered(len(manifest.shards), 'shard')}"
    click.echo(f"holds: {what}; manifest {found.sha256}")
    _print_signers(found.signers)


def _printable(line: str) -> str:
    """Return a line without control characters: names of files and lists may hold anything."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in line)


def _print_signers(signers: tuple[bytes, ...]) -> None:
    print_signers([signer.hex() for signer in signers])


def _as_json(found: Findings) -> dict[str, object]:
    return {
        "holds": not found.problems,
        "manifest": found.sha256,
        "signers": [signer.hex() for signer in found.signers],
        "records": found.manifest.rows,
        "shards": len(found.manifest.shards),
        "problems": list(found.problems),
        "notes": list(found.notes),
    }

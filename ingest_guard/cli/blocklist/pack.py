"""``ingest-guard blocklist pack | unpack | sign | keygen``: move versions between machines, and sign them."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from ingest_guard.blocklist.build.build import DEFAULT_KEEP
from ingest_guard.blocklist.store import signatures
from ingest_guard.blocklist.transfer import encryption
from ingest_guard.blocklist.transfer.pack import pack
from ingest_guard.blocklist.transfer.unpack import unpack
from ingest_guard.cli.blocklist import options
from ingest_guard.cli.main import print_signers
from ingest_guard.signing import keys


@click.command("pack")
@click.argument("folder", type=options.FOLDER)
@click.option(
    "-o", "--output", "out", type=options.FILE, required=True, metavar="FILE.igpack", help="The file to write."
)
@click.option(
    "--recipient", "recipients", multiple=True, metavar="age1...", help="Who may open it (age recipient). Repeatable."
)
@click.option("--recipients-file", type=options.FILE, metavar="FILE", help="More recipients, one in each line.")
@click.option("--sign-key", type=options.FILE, metavar="FILE", help="Sign it with this private Ed25519 key.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def pack_command(
    folder: Path,
    out: Path,
    recipients: tuple[str, ...],
    recipients_file: Path | None,
    sign_key: Path | None,
    *,
    as_json: bool,
) -> int:
    """Write the current version of the blocklist in FOLDER into one file."""
    report = pack(folder, out, recipients=options.all_recipients(recipients, recipients_file), sign_key=sign_key)
    if as_json:
        click.echo(json.dumps(asdict(report), indent=2))
        return 0
    click.echo(f"packed version {report.version}: {report.files} files, {report.size:,} bytes")
    click.echo(f"encrypted to {report.recipients} recipients" if report.recipients else "not encrypted")
    print_signers(report.signers)
    return 0


@click.command("unpack")
@click.argument("file", type=options.FILE)
@click.argument("folder", type=options.FOLDER)
@click.option(
    "--identity", type=options.FILE, metavar="FILE", help="File with the age identity that opens an encrypted pack."
)
@click.option(
    "--signer",
    "signers",
    multiple=True,
    metavar="HEX|FILE",
    help="Public key of who must have signed it. Repeatable: one of them must have.",
)
@click.option("--keep", type=click.IntRange(1), default=DEFAULT_KEEP, show_default=True, help="Versions to retain.")
@click.option("--allow-older", is_flag=True, help="Accept a version that was built before the current one.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def unpack_command(
    file: Path,
    folder: Path,
    identity: Path | None,
    signers: tuple[str, ...],
    keep: int,
    *,
    allow_older: bool,
    as_json: bool,
) -> int:
    """Verify the pack FILE, put its version into FOLDER, and make it the current one."""
    trusted = [keys.read_public_key(signer) for signer in signers]
    report = unpack(file, folder, identities=identity, signers=trusted, keep=keep, allow_older=allow_older)
    if as_json:
        click.echo(json.dumps(asdict(report), indent=2))
        return 0
    before = f"before: {report.previous}" if report.previous else "the first one here"
    click.echo(f"current version is now {report.version} ({before}), {report.lists} lists")
    print_signers(report.signers)
    return 0


@click.command("sign")
@click.argument("folder", type=options.FOLDER)
@click.option("--sign-key", type=options.FILE, required=True, metavar="FILE", help="Private Ed25519 key.")
def sign_command(folder: Path, sign_key: Path) -> int:
    """Verify the current version of the blocklist in FOLDER and sign it."""
    version, signature = signatures.sign_store(folder, keys.read_signing_key(sign_key))
    click.echo(f"version {version}")
    print_signers((signature.public_key.hex(),))
    return 0


@click.command("keygen")
@click.option(
    "--sign", "sign_out", type=options.FILE, metavar="FILE", help="Make an Ed25519 key that signs blocklists."
)
@click.option("--age", "age_out", type=options.FILE, metavar="FILE", help="Make an age identity that opens packs.")
def keygen_command(sign_out: Path | None, age_out: Path | None) -> int:
    """Make keys: the secret in FILE, for its owner alone, and what others may know in FILE.pub."""
    if sign_out is None and age_out is None:
        raise click.UsageError("name what to make: --sign FILE or --age FILE")
    if sign_out is not None:
        beside, public = keys.write_signing_key(sign_out)
        click.echo(f"signing key {sign_out}, public key {beside}\nsigner: {public}")
    if age_out is not None:
        beside, recipient = encryption.write_identity(age_out)
        click.echo(f"age identity {age_out}, recipient {beside}\nrecipient: {recipient}")
    return 0

"""``ingest-guard incidents export``: reports of entries, as XML of the CyberTipline, JSON, or a page to print."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import click

from ingest_guard.cli.incidents.identity import FOLDER, identity_options, opened, opener
from ingest_guard.cli.main import OK, WRONG_USE
from ingest_guard.files.atomic import whole_file
from ingest_guard.incidents.reports.reporter import Reporter, read_reporter
from ingest_guard.incidents.reports.selection import Report, UnfitEntryError, make_reports

_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
_XML = "cybertip-xml"


@click.command("export")
@click.argument("folder", type=FOLDER)
@click.argument("numbers", metavar="N...", nargs=-1, required=True, type=click.IntRange(1))
@click.option(
    "--format",
    "kind",
    type=click.Choice([_XML, "json", "html"]),
    required=True,
    help="XML for NCMEC's CyberTipline, a file for each page; JSON; or one HTML page to print.",
)
@click.option(
    "-o",
    "--output",
    "output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="FILE",
    help="Where to write it. Further reports in XML go beside it, as NAME-2, NAME-3 ...; no file is written over.",
)
@click.option(
    "--reporter", "reporter", type=_FILE, required=True, metavar="FILE.yaml", help="Who reports: email, and more."
)
@click.option("--xsd", type=_FILE, metavar="FILE", help="The receiver's schema, which the XML is made to fit.")
@click.option(
    "--as-suspicion",
    is_flag=True,
    help="Also matches of lists of other kinds than csam, and likeness alone; the reports say that it is one.",
)
@identity_options
def export_command(  # noqa: PLR0917 - click names them all
    folder: Path,
    numbers: tuple[int, ...],
    kind: str,
    output: Path,
    reporter: Path,
    xsd: Path | None,
    identity: Path | None,
    identity_env: str | None,
    *,
    as_suspicion: bool,
) -> int:
    """Write reports of entries, one for each page.

    Only the XML has addresses as they are; values that it cannot hold are left out, and their fields named here. Files
    are for their owner alone.

    Exit code: 0 written, 2 wrong use, 4 the log or the key cannot be read.
    """
    if xsd is not None and kind != _XML:
        raise click.UsageError(f"--xsd goes with --format {_XML}: nothing else has a schema")
    who = read_reporter(reporter)
    wanted = set(numbers)
    entries = dict(opened(folder, opener(identity, identity_env), wanted))
    if missing := wanted - entries.keys():
        raise click.UsageError(f"the log has no open entry {', '.join(map(str, sorted(missing)))}")
    try:
        reports = make_reports(entries.items(), as_suspicion=as_suspicion)
    except UnfitEntryError as error:
        raise click.UsageError(str(error)) from None
    documents = _xml(reports, who, xsd) if kind == _XML else [_document(kind, reports, who)]
    if not _write(output, documents):
        return WRONG_USE
    files = f"{len(documents)} files" if len(documents) > 1 else "1 file"
    click.echo(f"Wrote {len(reports)} {'reports' if len(reports) > 1 else 'report'} of {len(entries)} entries: {files}")
    return OK


def _document(kind: str, reports: Sequence[Report], reporter: Reporter) -> bytes:
    from ingest_guard.incidents.reports.documents import to_html, to_json  # noqa: PLC0415 - only these formats need it

    return to_json(reports, reporter) if kind == "json" else to_html(reports, reporter)


def _xml(reports: Sequence[Report], reporter: Reporter, xsd: Path | None) -> list[bytes]:
    """Return the documents, and print what they lack by the names of fields."""
    from ingest_guard.incidents.reports.cybertip import CybertipReport  # noqa: PLC0415 - only this format needs lxml
    from ingest_guard.incidents.reports.schema import Schema  # noqa: PLC0415

    schema = None if xsd is None else Schema(xsd)
    made = [CybertipReport(each, reporter, schema) for each in reports]
    for position, each in enumerate(made, 1):
        for left_out in dict.fromkeys(each.left_out):
            click.echo(f"report {position} cannot hold: {left_out}")
        if not each.has_address:
            click.echo(f"report {position} has no address: a receiver can hardly act on it")
    if schema is None:
        click.echo("note: not held against the receiver's schema; fetch it, and name it with --xsd")
    return [each.to_bytes() for each in made]


def _write(output: Path, documents: Sequence[bytes]) -> bool:
    """Write all files or none; say why not."""
    paths = [output, *(output.with_name(f"{output.stem}-{n}{output.suffix}") for n in range(2, len(documents) + 1))]
    written: list[Path] = []
    try:
        for path, document in zip(paths, documents, strict=True):
            with whole_file(path, 0o600, replace=False) as file:
                file.write(document)
            written.append(path)
    except OSError as error:
        for each in written:
            with suppress(OSError):
                each.unlink()
        reason = (
            "it is there already, and a report is never written over" if isinstance(error, FileExistsError) else None
        )
        click.echo(f"ingest-guard: {path} cannot be written: {reason or error.strerror}", err=True)
        return False
    return True

"""``ingest-guard init``: write a commented policy into a project."""

import shlex
from importlib.resources import files
from pathlib import Path

import click
import yaml

from ingest_guard.cli.main import WRONG_USE


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True), default=Path())
@click.option("--blocklist", default="blocklist", show_default=True, help="The folder of the blocklist, from FOLDER.")
@click.option("--force", is_flag=True, help="Replace a policy.yaml that exists.")
def command(folder: Path, blocklist: str, *, force: bool) -> int:
    """Write policy.yaml, with every key explained, into FOLDER (beside scrapy.cfg)."""
    target = folder / "policy.yaml"
    text = files("ingest_guard").joinpath("policy_template.yaml").read_text(encoding="utf-8")
    try:
        with target.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text.replace("blocklist: blocklist\n", f"blocklist: {_quoted(blocklist)}\n", 1))
    except FileExistsError:
        click.echo(f"ingest-guard: {target} exists; use --force to replace it", err=True)
        return WRONG_USE
    except OSError as error:
        click.echo(f"ingest-guard: {target} cannot be written ({error.strerror})", err=True)
        return WRONG_USE
    click.echo(f"Wrote {target}. Now:")
    click.echo(f"  1. ingest-guard blocklist build {shlex.quote(str(folder / blocklist))} --list ID:plain:FILE")
    click.echo("  2. in a Scrapy project, add these lines to its settings.py, then: ingest-guard doctor")
    click.echo('       ADDONS = {"ingest_guard.Addon": 0}')
    click.echo('       INGEST_GUARD_POLICY = "policy.yaml"')
    click.echo('       EXTENSIONS = {"ingest_guard.Watchdog": 0}')
    click.echo("     without a project: ingest-guard crawl --seeds urls.txt -o out/")
    click.echo("  3. for a sealed record of each match: incidents in policy.yaml, and docs/incidents.md")
    return 0


def _quoted(text: str) -> str:
    """Return a folder's name as YAML reads it back, whatever it is called: ``no``, ``2024``, ``a: b`` ..."""
    for readable in (True, False):
        written: str = yaml.safe_dump({"blocklist": text}, allow_unicode=readable, width=1 << 20)
        if yaml.safe_load(written) == {"blocklist": text}:
            break
    return written.removeprefix("blocklist: ").removesuffix("\n")

"""``ingest-guard crawl``: ``scrapy crawl``, of a spider or of seeds without a project, with an exit code that counts.

The exit code says whether the records may be used. Scrapy's is 0 for a crawl whose guard failed, too.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from scrapy.cmdline import execute

from ingest_guard.cli import crawl_summary
from ingest_guard.cli.main import FAILED, NOTHING_READ, OK, STOPPED
from ingest_guard.dataset.records.layouts import NAMES
from ingest_guard.errors import IngestGuardError, SetupError
from ingest_guard.scrapy_plugin.core.settings import (
    COMPLETION_SETTING,
    DATASET_SETTING,
    DOUBLES_SETTING,
    FORMAT_SETTING,
    OUTFIT_SETTING,
    POLICY_SETTING,
    PROGRESS_SETTING,
    RECOVER_SETTING,
)
from ingest_guard.scrapy_plugin.output.feeds import FORMATS
from ingest_guard.scrapy_plugin.spider import no_pages
from ingest_guard.scrapy_plugin.spider.seeds import Seeds
from ingest_guard.scrapy_plugin.spider.spider import USER_AGENT, ImageTextSpider

if TYPE_CHECKING:
    _Value = str | int | bool | None

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
# The operator's own bounds: a crawl that reaches one has done what was asked.
_OWN_BOUND = "closespider_"
_FINISHED = "finished"
_NOT_USABLE = (
    "ingest-guard: the guard failed or was not part of this crawl, or it was forced to stop; do not use its records. "
    "After a forced stop: the same command with --recover."
)
_STANDALONE = {"SCRAPY_SETTINGS_MODULE": "ingest_guard.scrapy_plugin.spider.standalone"}
_DEFAULT_POLICY = Path("policy.yaml")
# A level of INFO or below, or a file for the log, as Scrapy's options name them.
_ASKS_FOR_LOG = re.compile(
    r"(?:-L ?|--loglevel[ =]|(?:-s ?|--set[ =])LOG_LEVEL=)(?:INFO|DEBUG|NOTSET)\b"
    r"|--logfile[ =]|(?:-s ?|--set[ =])LOG_FILE=",
    re.IGNORECASE,
)
_NAMES_LEVEL = re.compile(r"-L|--loglevel|LOG_LEVEL=")
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_OUTPUT = ("-o", "--output")


@click.command(
    "crawl",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": True},
    options_metavar="[OPTIONS]",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[SPIDER] [SCRAPY OPTIONS]...")
@click.option("--seeds", type=_FILE, help="Crawl from the addresses in this file, without a project. Needs -o FOLDER.")
@click.option("--domains", help="With --seeds: where pages may be fetched, as in example.org,example.net; * anywhere.")
@click.option("--depth", type=click.IntRange(0), help="With --seeds: links to follow from a seed. [default: 3]")
@click.option("--sitemap", is_flag=True, help="With --seeds: take up the sitemaps of the seeds' hosts, too.")
@click.option("--contact", help="With --seeds: an address for the User-Agent, so that hosts can reach you.")
@click.option("--policy", type=_FILE, help="Policy file. [default with --seeds: policy.yaml]")
@click.option("--outfit", type=click.Choice(NAMES), help="Columns of the records in a data set's folder.")
@click.option("--format", "format_", type=click.Choice(FORMATS), help="Of its shards.")
@click.option(
    "--completion",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write how the crawl ended: lists, counts, reason. Only a guarded crawl that ended well writes it.",
)
@click.option(
    "--log-level",
    type=click.Choice(_LEVELS, case_sensitive=False),
    help="Of the log. INFO and DEBUG end it with all of Scrapy's statistics.",
)
@click.option(
    "--recover",
    is_flag=True,
    help="After a crash: start again from the first pages, and leave out what has a record in the feeds.",
)
@click.option(
    "--accept-doubles",
    is_flag=True,
    help="Go on in a folder whose records an older release has read in another way; images may come twice.",
)
def command(
    arguments: tuple[str, ...],
    completion: Path | None,
    *,
    recover: bool,
    accept_doubles: bool,
    seeds: Path | None,
    **chosen: Any,
) -> int:
    """Run SPIDER as 'scrapy crawl' does, with the same options, or crawl from SEEDS without a project.

    '-o FOLDER/' makes the folder a data set: numbered shards, a manifest, the report's data. '-o FILE' is Scrapy's.
    Exit code: 0 the crawl ended well, 2 wrong use, 4 the guard failed or was not there, 5 the crawl was stopped before
    its end or a feed could not be stored, 6 it read no page at all; anything else is Scrapy's.
    """
    plan = make_plan(list(arguments), seeds, **chosen)
    with tempfile.TemporaryDirectory(prefix="ingest-guard-") as folder:
        file = (completion or Path(folder, "completion.json")).absolute()
        file.unlink(missing_ok=True)
        switches = {RECOVER_SETTING: recover or None, DOUBLES_SETTING: accept_doubles or None}
        settings = _as_options("-s", {COMPLETION_SETTING: str(file), **switches})
        with _environment(plan.environment), _without_tracebacks():
            code = _run(["scrapy", "crawl", *_progress(), *_quiet(plan.arguments), *plan.arguments, *settings])
        return code or _finish(file, plan.folder)


@dataclass(frozen=True)
class Plan:
    """Arguments for ``scrapy crawl``, environment variables that it needs, and the folder of the data set, if any."""

    arguments: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: str | None = None


def make_plan(
    arguments: list[str],
    seeds: Path | None,
    *,
    policy: Path | None = None,
    outfit: str | None = None,
    format_: str | None = None,
    log_level: str | None = None,
    **of_seeds: _Value,
) -> Plan:
    """Return what to run.

    Parameters
    ----------
    arguments
        The spider and Scrapy's own options.
    of_seeds
        ``domains``, ``depth``, ``sitemap`` and ``contact``, which need seeds.

    Raises
    ------
    click.UsageError
        The options do not fit together.
    """
    folder, rest = take_folder(arguments, anything=seeds is not None)
    settings = {
        POLICY_SETTING: str(policy.absolute()) if policy else None,
        DATASET_SETTING: folder,
        OUTFIT_SETTING: outfit,
        FORMAT_SETTING: format_,
        "LOG_LEVEL": log_level.upper() if log_level else None,
    }
    if seeds is None:
        unfit = [f"--{name}" for name, value in of_seeds.items() if value]
        if unfit:
            raise click.UsageError(f"{', '.join(unfit)}: only with --seeds; a spider has its own arguments (-a)")
        if not rest:
            raise click.UsageError("name a spider of this project, or give --seeds FILE -o FOLDER")
        return Plan([*rest, *_as_options("-s", settings)], folder=folder)
    if folder is None:
        raise click.UsageError("name the folder for the records: -o FOLDER")
    settings[POLICY_SETTING] = str(_policy(policy).absolute())
    if log_level is None and sys.stderr.isatty() and not _NAMES_LEVEL.search(" ".join(rest)):
        # Progress and the closing table are for a terminal; a log that goes elsewhere has all the lines.
        settings["LOG_LEVEL"] = "WARNING"
    return Plan([*_from_seeds(seeds, **of_seeds), *rest, *_as_options("-s", settings)], _STANDALONE, folder)


def take_folder(arguments: list[str], *, anything: bool) -> tuple[str | None, list[str]]:
    """Take ``-o FOLDER`` out of the arguments; return the folder, as a setting has it, and the other arguments.

    A path that does not end with a slash is a feed of Scrapy's, unless ``anything`` is a folder.
    """
    folder, rest = None, []
    waiting = iter(arguments)
    for each in waiting:
        option, equals, value = each.partition("=")
        if option not in _OUTPUT or (equals and option == "-o"):
            rest.append(each)
            continue
        target = value if equals else next(waiting, "")
        if not target:
            raise click.UsageError(f"{option}: name a folder or a file")
        if not anything and not target.endswith(("/", os.sep)):
            rest += [option, target]
        elif folder is not None:
            raise click.UsageError(f"{option}: one folder is enough")
        else:
            folder = target if "://" in target else str(Path(target).absolute())
    return folder, rest


def _policy(chosen: Path | None) -> Path:
    policy = chosen or _DEFAULT_POLICY
    if not policy.is_file():
        raise click.UsageError(f"there is no {policy} here; write one with 'ingest-guard init', or name one: --policy")
    return policy


def _from_seeds(seeds: Path, **chosen: _Value) -> list[str]:
    domains = chosen.get("domains")
    try:
        Seeds(seeds).hosts()
        ImageTextSpider(seeds=seeds, domains=str(domains) if domains else None).require_seeds()
    except SetupError as error:
        raise click.UsageError(str(error)) from None
    contact, sitemap = chosen.pop("contact", None), chosen.pop("sitemap", None)
    if not contact:
        click.echo("ingest-guard: hosts cannot reach you; name an address or a page: --contact https://...", err=True)
    spider = {"seeds": str(seeds.absolute()), "sitemap": "yes" if sitemap else None, **chosen}
    agent = {"USER_AGENT": f"{USER_AGENT} (+{contact})" if contact else None}
    return [ImageTextSpider.name, *_as_options("-a", spider), *_as_options("-s", agent)]


def _as_options(flag: str, values: Mapping[str, _Value]) -> list[str]:
    return [part for name, value in values.items() if value is not None for part in (flag, f"{name}={value}")]


@contextlib.contextmanager
def _environment(added: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in added}
    os.environ.update(added)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@contextlib.contextmanager
def _without_tracebacks() -> Iterator[None]:
    """Keep asyncio from printing a traceback where the log says in one line why the crawl does not start."""

    def is_news(record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], IngestGuardError))

    source = logging.getLogger("asyncio")
    source.addFilter(is_news)
    try:
        yield
    finally:
        source.removeFilter(is_news)


def _progress() -> list[str]:
    """Return the options that show the crawl in a terminal; the operator's own come later and override them."""
    return ["-s", f"{PROGRESS_SETTING}=True"] if sys.stderr.isatty() else []


def _quiet(arguments: list[str]) -> list[str]:
    """Return the options that leave out Scrapy's dump of statistics, unless the arguments ask for its log at INFO."""
    for option, following in zip(arguments, [*arguments[1:], ""], strict=True):
        if _ASKS_FOR_LOG.match(f"{option} {following}") or _ASKS_FOR_LOG.match(option):
            return []
    return ["-s", "STATS_DUMP=False"]


def _run(arguments: list[str]) -> int:
    """Run a command of Scrapy in this process; return its exit code."""
    before, sys.argv = sys.argv, arguments
    try:
        execute(arguments)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.argv = before
    return OK


def _finish(file: Path, folder: str | None) -> int:
    """Print how the crawl of a completion file ended; return the exit code."""
    try:
        facts: dict[str, Any] = json.loads(file.read_bytes())
    except FileNotFoundError:
        click.echo(_NOT_USABLE, err=True)
        return FAILED
    crawl_summary.show(facts, folder)
    return _exit_code(facts)


def _exit_code(facts: Mapping[str, Any]) -> int:
    """Return the exit code for how a crawl ended, and print why it is not 0."""
    if faults := facts.get("counts", {}).get("errors"):
        click.echo(f"ingest-guard: the guard had {faults:,} faults of its own, each dropped what it met.", err=True)
    reason = facts["finish_reason"]
    if reason != _FINISHED and not reason.startswith(_OWN_BOUND):
        click.echo(f"ingest-guard: the crawl was stopped before its end ({reason}).", err=True)
        return STOPPED
    if facts["feeds_failed"]:
        click.echo("ingest-guard: a feed could not be stored; the log says why.", err=True)
        return STOPPED
    if facts.get("attested") is False:
        click.echo("ingest-guard: the manifest could not be written; the log says why.", err=True)
        return STOPPED
    # Why is in the summary above.
    is_idle = no_pages.is_empty(facts["counts"]) and not no_pages.is_done(crawl_summary.statistics(facts))
    return NOTHING_READ if is_idle else OK

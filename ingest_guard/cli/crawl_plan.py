"""What ``ingest-guard crawl`` asks Scrapy for: a spider of the project, or the one for seeds without a project."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ingest_guard.errors import SetupError
from ingest_guard.scrapy_plugin.core.settings import POLICY_SETTING
from ingest_guard.scrapy_plugin.output.exporters import OUTFIT_SETTING
from ingest_guard.scrapy_plugin.output.feeds import FORMAT_SETTING
from ingest_guard.scrapy_plugin.output.shelves import DATASET_SETTING
from ingest_guard.scrapy_plugin.spider.seeds import Seeds
from ingest_guard.scrapy_plugin.spider.spider import USER_AGENT, ImageTextSpider

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

    _Value: TypeAlias = str | int | bool | None

_STANDALONE = {"SCRAPY_SETTINGS_MODULE": "ingest_guard.scrapy_plugin.spider.settings"}
_DEFAULT_POLICY = Path("policy.yaml")
_OUTPUT = ("-o", "--output")


@dataclass(frozen=True)
class Plan:
    """Arguments for ``scrapy crawl``, and what its environment must say."""

    arguments: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)


def planned(
    arguments: list[str],
    seeds: Path | None,
    *,
    policy: Path | None = None,
    outfit: str | None = None,
    format_: str | None = None,
    **of_seeds: _Value,
) -> Plan:
    """Return what to run.

    Parameters
    ----------
    arguments
        What is not an option of ours: the spider, and options of Scrapy's.
    of_seeds
        ``domains``, ``depth``, ``sitemap`` and ``contact``: they go with seeds only.

    Raises
    ------
    click.UsageError
        They do not fit together.
    """
    folder, rest = take_folder(arguments, anything=seeds is not None)
    settings = {
        POLICY_SETTING: str(policy.absolute()) if policy else None,
        DATASET_SETTING: folder,
        OUTFIT_SETTING: outfit,
        FORMAT_SETTING: format_,
    }
    if seeds is None:
        unfit = [f"--{name}" for name, value in of_seeds.items() if value]
        if unfit:
            raise click.UsageError(f"{', '.join(unfit)}: only with --seeds; a spider has its own arguments (-a)")
        if not rest:
            raise click.UsageError("name a spider of this project, or give --seeds FILE -o FOLDER")
        return Plan([*rest, *_as_options("-s", settings)])
    if folder is None:
        raise click.UsageError("name the folder for the records: -o FOLDER")
    settings[POLICY_SETTING] = str(_policy(policy).absolute())
    return Plan([*_from_seeds(seeds, **of_seeds), *rest, *_as_options("-s", settings)], _STANDALONE)


def take_folder(arguments: list[str], *, anything: bool) -> tuple[str | None, list[str]]:
    """Take ``-o FOLDER`` out of the arguments; return the folder, as a setting has it, and the others.

    What does not end with a slash is a feed of Scrapy's, unless ``anything`` is a folder.
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

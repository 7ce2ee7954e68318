"""``ingest-guard explain``: which opt-out, said where, keeps an address out of the records, and which key heeds it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from scrapy.crawler import CrawlerProcess
from scrapy.settings import Settings
from scrapy.utils.conf import closest_scrapy_cfg

from ingest_guard.cli.main import FAILED, NOT_SCANNED, OK
from ingest_guard.errors import IngestGuardError
from ingest_guard.policy import Policy
from ingest_guard.scrapy_plugin.core.settings import EXPLAIN_SETTING, POLICY_SETTING, load_policy, policy_path
from ingest_guard.scrapy_plugin.explanation import FREE, KEPT_OUT, UNKNOWN, ExplainSpider, Explanation, heeds
from ingest_guard.scrapy_plugin.spider import standalone
from ingest_guard.scrapy_plugin.spider.spider import DEFAULTS
from ingest_guard.scrapy_plugin.startup.doctor import project_settings

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_KEPT_OUT = 1
# Of a project's settings: under which names its spiders ask, and what they make of robots.txt.
_TAKEN = ("USER_AGENT", "ROBOTSTXT_OBEY", "ROBOTSTXT_USER_AGENT", "ROBOTSTXT_PARSER", POLICY_SETTING)
_OF_LISTS = "What is on a list, of addresses or of images, is no part of this: a crawl may still drop it."


@click.command("explain")
@click.argument("url")
@click.option("--policy", type=_FILE, help="Policy file. [default: the project's, or policy.yaml]")
@click.option("--user-agent", help="The User-Agent that the crawl sends. [default: the project's, or that of --seeds]")
def command(url: str, policy: Path | None, user_agent: str | None) -> int:
    """Say which robots group, which signal and which policy key decide about a page or an image.

    It is asked for once, through the gate, by the rules of a crawl: robots.txt first, and nothing that robots.txt
    forbids.

    Exit code: 0 no opt-out keeps it out, 1 one does, 3 it could not be asked for, 2 wrong use, 4 the guard failed.
    """
    if not url.lower().startswith(("http://", "https://")):
        raise click.UsageError("name an address of a page or an image: https://...")
    settings = _settings(policy, user_agent)
    answer = _crawl(url, settings)
    if answer is None:
        click.echo("ingest-guard: the crawl of this address did not start or did not end", err=True)
        return FAILED
    _print(answer, load_policy(settings))
    return {FREE: OK, KEPT_OUT: _KEPT_OUT, UNKNOWN: NOT_SCANNED}[answer.outcome]


def _settings(policy: Path | None, user_agent: str | None) -> Settings:
    """Return the settings of a crawl without a project, with a project's own names where there is one."""
    settings = Settings()
    settings.setmodule(standalone)
    settings.setdict({**DEFAULTS, EXPLAIN_SETTING: True, "LOG_ENABLED": False}, priority="project")
    if closest_scrapy_cfg(os.getcwd()):  # noqa: PTH109 - as Scrapy finds its project
        project = project_settings(os.getcwd())  # noqa: PTH109
        for name in _TAKEN:
            if (project.getpriority(name) or 0) > 0:
                settings.set(name, project[name], priority="project")
    if policy is not None:
        settings.set(POLICY_SETTING, str(policy.absolute()), priority="cmdline")
    if user_agent is not None:
        settings.set("USER_AGENT", user_agent, priority="cmdline")
    if not policy_path(settings).is_file():
        raise click.UsageError(f"there is no {settings[POLICY_SETTING]} here; name the policy: --policy FILE")
    return settings


def _crawl(url: str, settings: Settings) -> Explanation | None:
    """Run a crawl of one address; return what it found out.

    Raises
    ------
    IngestGuardError
        The guard does not start.
    """
    answers: list[Explanation] = []
    faults: list[Any] = []
    process = CrawlerProcess(settings)
    crawl = process.crawl(ExplainSpider, url=url, answers=answers)
    crawl.addErrback(faults.append)
    process.start()
    for fault in faults:
        if isinstance(fault.value, IngestGuardError):
            raise fault.value
    return answers[0] if answers else None


def _print(answer: Explanation, policy: Policy) -> None:
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(answer.url)
    for line in answer.robots:
        console.print(f"  robots.txt: {line}")
    for place, signal in answer.said:
        heeded = "" if signal.decision != "no" or heeds(policy.opt_outs, signal) else ", which the policy does not heed"
        console.print(f'  {place}: {signal.name}: "{signal.said}" says {signal.decision}{heeded}')
    if not answer.said:
        console.print("  nothing was said about use")
    if answer.outcome == KEPT_OUT:
        console.print(f"Kept out of the records: {answer.reason}.")
        console.print(f"Decided by the policy: {answer.key}")
    elif answer.outcome == FREE:
        console.print("No opt-out keeps it out of the records.")
    if answer.text:
        console.print(answer.text[0].upper() + answer.text[1:] + ".")
    console.print(_OF_LISTS)

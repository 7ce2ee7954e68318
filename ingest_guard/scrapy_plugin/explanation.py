"""Why an address would make records, or none: ``ingest-guard explain``.

A crawl of one address by the parts that every crawl has: what keeps an image or a page out is asked of the fetcher and
of the opt-outs themselves, so that this cannot say anything else than a crawl does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

from scrapy import Request, Spider
from scrapy.exceptions import IgnoreRequest

from ingest_guard.dataset.optouts.paths import target_of
from ingest_guard.dataset.optouts.robots_txt import Group, RobotsFile
from ingest_guard.dataset.optouts.said import Signal
from ingest_guard.dataset.optouts.signals import OF_MARKUP, UNREAD_PAGE
from ingest_guard.policy.records import OptOutPolicy
from ingest_guard.scrapy_plugin.check.robots import UNREACHABLE
from ingest_guard.scrapy_plugin.core.exceptions import ImageBlocked, RequestRefused
from ingest_guard.scrapy_plugin.core.meter import PREFIX
from ingest_guard.scrapy_plugin.images.fetch import Fetched
from ingest_guard.scrapy_plugin.runtime import Runtime

ROBOTS_TXT = "robots_txt"
KEPT_OUT, FREE, UNKNOWN = "kept out", "free", "unknown"

_OK = range(200, 300)
_PAGES = (b"text/html", b"application/xhtml")
_OF_RESULTS = {
    **dict.fromkeys(
        ("match", "held", "not_scannable"), "the guard dropped the answer; explain does not say more about it"
    ),
    "refused": "the address was not asked for: the guard has rules for requests (schemes, private addresses, lists of"
    " addresses), and explain does not say which of them it was",
    "status": "the answer has an error status, which makes no record",
    "payment_required": "the host asks for payment (402), which makes no record",
    "error": "there was no answer",
}


@dataclass
class Explanation:
    """What decides about an address.

    Attributes
    ----------
    url
        As it was given.
    outcome
        :data:`KEPT_OUT`, :data:`FREE` where no opt-out keeps it out, :data:`UNKNOWN` where it could not be asked.
    reason
        The name under which it is counted; None where nothing keeps it out.
    signal
        What says so; None for ``robots_txt``.
    key
        Of the policy, with its value: what decided that the signal counts.
    text
        What became of the request, where there is no more to say.
    robots
        Lines about robots.txt: the groups that count, and the rule for access.
    said
        Each signal, with its place.
    """

    url: str
    outcome: str = FREE
    reason: str | None = None
    signal: Signal | None = None
    key: str | None = None
    text: str = ""
    robots: list[str] = field(default_factory=list)
    said: list[tuple[str, Signal]] = field(default_factory=list)


async def explain(runtime: Runtime, url: str) -> Explanation:
    """Ask for an address as for an image of a page of its own, and then, where it is a page, as a spider does.

    Parameters
    ----------
    runtime
        Of a crawl whose engine runs.
    url
        Absolute, of http or https.
    """
    runtime.state.signals.keeps_silent_files = True
    answer = Explanation(url)
    fetched = await runtime.fetcher.fetch(url, None, url)
    said, signal = fetched.said, fetched.signal
    if fetched.result == "not_an_image" or (_is_unasked(fetched) and await _is_page(runtime, url)):
        said, signal = await _ask_as_page(runtime, answer)
    elif fetched.opted_out == ROBOTS_TXT:
        answer.outcome, answer.reason = KEPT_OUT, ROBOTS_TXT
    elif fetched.result in _OF_RESULTS:
        answer.outcome, answer.text = UNKNOWN, _OF_RESULTS[fetched.result]
    if signal is not None:
        answer.outcome, answer.reason, answer.signal = KEPT_OUT, signal.name, signal
    file = runtime.state.signals.robots_of(url)
    answer.robots += _describe(runtime, file, url)
    answer.said += [(_place(file, url, each), each) for each in dict.fromkeys((*said, *((signal,) if signal else ())))]
    answer.key = _deciding_key(runtime, file, answer)
    return answer


def _is_unasked(fetched: Fetched) -> bool:
    """Return whether a host's files keep an image out, so that it was not asked for."""
    return fetched.signal is not None and fetched.signal.source in {"robots.txt", "tdmrep.json", "ai.txt"}


async def _is_page(runtime: Runtime, url: str) -> bool:
    """Return whether an address is one of a page, by an answer without a body: what pages say goes before files."""
    head = Request(url, method="HEAD", dont_filter=True, meta={"allow_offsite": True})
    try:
        response = await runtime.state.crawler.engine.download_async(head)
    except Exception:  # noqa: BLE001 - then it is explained as an image
        return False
    return response.status in _OK and (response.headers.get("Content-Type") or b"").lower().startswith(_PAGES)


async def _ask_as_page(runtime: Runtime, answer: Explanation) -> tuple[tuple[Signal, ...], Signal | None]:
    """Fetch a page as a spider does; return what it says, and what keeps its images out."""
    try:
        response = await runtime.state.crawler.engine.download_async(
            Request(answer.url, dont_filter=True, meta={"allow_offsite": True})
        )
    except (ImageBlocked, RequestRefused) as why:
        result = "not_scannable" if isinstance(why, ImageBlocked) else "refused"
        answer.outcome, answer.text = UNKNOWN, _OF_RESULTS[result]
        return (), None
    except IgnoreRequest:
        answer.outcome, answer.reason = KEPT_OUT, ROBOTS_TXT
        return (), None
    except Exception:  # noqa: BLE001 - a host that does not answer
        answer.outcome, answer.text = UNKNOWN, _OF_RESULTS["error"]
        return (), None
    signal = await runtime.opt_outs.of_page(response.url)
    answer.text = (
        "a page: this holds for the images of items that are made from it; each image is asked for itself, too"
    )
    return runtime.opt_outs.signals_of(response.url).said, signal


def _describe(runtime: Runtime, file: RobotsFile | None, url: str) -> Iterator[str]:
    """Yield lines about a host's robots.txt."""
    if not runtime.state.crawler.settings.getbool("ROBOTSTXT_OBEY"):
        yield "not read: ROBOTSTXT_OBEY is off"
        return
    if file is None:
        yield _missing(runtime)
        return
    if not file.groups:
        yield "read; no group in it counts"
    for group in file.groups:
        lines = ", ".join(map(str, group.lines))
        yield f"the group for {group.name} counts (line {lines})"
        if rule := _access(group, url):
            yield rule


def _access(group: Group, url: str) -> str | None:
    rule = group.access_rule(target_of(url) or "/")
    if rule is None:
        return None
    path = rule.path.decode("ascii", "backslashreplace")[:200]
    return f"line {rule.line}: {'Allow' if rule.is_allowed else 'Disallow'}: {path} decides about access"


def _missing(runtime: Runtime) -> str:
    stats = runtime.state.crawler.stats
    for result, why in UNREACHABLE.items():
        if stats.get_value(f"{PREFIX}robots_files/{result}"):
            return f"cannot be had: {why}"
    return "there is none" if stats.get_value(f"{PREFIX}robots_files/none") else "not asked for"


def _place(file: RobotsFile | None, url: str, signal: Signal) -> str:
    """Return where a signal stands; of robots.txt with line and group."""
    if file is not None and signal.source == "robots.txt":
        for statement in file.statements(url, is_allowed=True):
            if statement.signal == signal:
                return f"robots.txt, line {statement.line}, said to {statement.group}"
    return signal.source


def _deciding_key(runtime: Runtime, file: RobotsFile | None, answer: Explanation) -> str | None:
    policy = runtime.state.policy.opt_outs
    if answer.reason is None:
        return None
    if answer.reason == UNREAD_PAGE:
        return "opt_outs: any of " + ", ".join(name for name in OF_MARKUP if getattr(policy, name))
    if answer.reason != ROBOTS_TXT:
        return f"opt_outs.{answer.reason}: true"
    if file is None:
        return f"opt_outs.robots_unreachable: {policy.robots_unreachable}"
    return _key_of_access(policy, file, answer.url)


def _key_of_access(policy: OptOutPolicy, file: RobotsFile, url: str) -> str:
    """Return which key has a Disallow count: that for names of others, where only their groups have one."""
    target = target_of(url) or "/"
    forbidding = [group.name for group in file.groups if group.disallows(target)]
    if forbidding and all(name in file.further for name in forbidding):
        return f"opt_outs.agents: {', '.join(policy.agents)}"
    return "opt_outs.robots_txt, and the setting ROBOTSTXT_OBEY"


def heeds(policy: OptOutPolicy, signal: Signal) -> bool:
    """Return whether a policy heeds signals of this name."""
    return signal.name == UNREAD_PAGE or bool(getattr(policy, signal.name))


class ExplainSpider(Spider):
    """Asks for one address, and notes the explanation in a list.

    Parameters
    ----------
    url
        Of a page or an image.
    answers
        Where the explanation goes.
    """

    name = "ingest_guard_explain"

    def __init__(self, url: str, answers: list[Explanation], **arguments: Any) -> None:
        super().__init__(**arguments)
        self._url = url
        self._answers = answers

    async def start(self) -> AsyncIterator[Any]:
        """Ask, and yield nothing."""
        self._answers.append(await explain(Runtime.of(self.crawler), self._url))
        return
        yield  # without it this would be no generator

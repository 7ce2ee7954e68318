from __future__ import annotations

import json
import logging
import os
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from support.blocklists import make_blocklist

from ingest_guard import Guard, Policy, SetupError
from ingest_guard.blocklist.store.draft import point_to
from ingest_guard.blocklist.store.signatures import sign_store
from ingest_guard.blocklist.store.versions import versions
from ingest_guard.blocklist.transfer import encryption
from ingest_guard.cli.main import cli
from ingest_guard.hashing import conformance
from ingest_guard.scrapy_plugin.startup import doctor as checks
from ingest_guard.scrapy_plugin.startup import doctor_checks, process
from ingest_guard.signing import keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.listed import World

GUARD = 'ADDONS = {"ingest_guard.Addon": 0}\nINGEST_GUARD_POLICY = "policy.yaml"\n'
SECOND = 'EXTENSIONS = {"ingest_guard.Watchdog": 0}\n'
SPIDER = "from scrapy import Spider\n\n\nclass Good(Spider):\n    name = 'good'\n"
ALL_WELL = [
    "ok   the add-on is installed",
    "ok   the policy can be read; its level is default",
    "ok   the blocklist opens: addresses (1), bytes (2), looks (1)",
    "note no record of matches is kept: the policy names no incidents.recipients; docs/incidents.md says how",
    "ok   a crawl with -s ADDONS={} would not start",
    "ok   the blocklist is 0 days old, and starts until it is 30 days old",
    "ok   spider good is guarded",
]


@pytest.fixture
def project(tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Return a maker of Scrapy projects; the working folder is the last one made."""
    path, loaded, environment, disabled = (
        list(sys.path),
        set(sys.modules),
        dict(os.environ),
        logging.root.manager.disable,
    )
    monkeypatch.delenv("SCRAPY_SETTINGS_MODULE", raising=False)
    monkeypatch.setattr(process, "_SWAPS", tmp_path / "swaps")
    monkeypatch.setattr(doctor_checks, "_CORE_PATTERN", tmp_path / "core_pattern")
    name = f"doctored_{tmp_path.name.replace('-', '_')}"

    def make(settings: str = GUARD + SECOND, spiders: str = SPIDER) -> Path:
        package = tmp_path / name
        package.mkdir()
        (tmp_path / "scrapy.cfg").write_text(f"[settings]\ndefault = {name}.settings\n")
        (tmp_path / "policy.yaml").write_text(f"blocklist: {json.dumps(str(world.blocklist))}\nworkers: inline\n")
        (package / "__init__.py").touch()
        (package / "settings.py").write_text(f"SPIDER_MODULES = ['{name}.spiders']\nLOG_LEVEL = 'INFO'\n{settings}")
        (package / "spiders.py").write_text(textwrap.dedent(spiders))
        monkeypatch.chdir(tmp_path)
        return tmp_path

    yield make
    sys.path[:] = path
    for module in set(sys.modules) - loaded:
        if module.startswith(name):
            del sys.modules[module]
    os.environ.clear()
    os.environ.update(environment)
    logging.disable(disabled)


def doctor() -> tuple[int, list[str]]:
    """Run the command; return its exit code and its lines."""
    result = CliRunner().invoke(cli, ["doctor"], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result.return_value, result.output.splitlines()  # type: ignore[return-value]


def test_guarded_project(project: Callable[..., Path]) -> None:
    """A project with both lines of defence is in good health."""
    project()
    assert doctor() == (0, ALL_WELL)


def test_from_a_folder_inside(project: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """As with scrapy itself, any folder of the project will do."""
    inner = project() / "deep"
    inner.mkdir()
    monkeypatch.chdir(inner)
    assert doctor() == (0, ALL_WELL)


@pytest.mark.parametrize(
    "second",
    [
        'DOWNLOADER_MIDDLEWARES = {"ingest_guard.scrapy_plugin.gate.Gate": 10**9}\n',
        "from ingest_guard.scrapy_plugin.extension import Watchdog\nEXTENSIONS = {Watchdog: 5}\n",
    ],
)
def test_any_part_is_a_second_line(project: Callable[..., Path], second: str) -> None:
    """Whichever part is listed by itself refuses to run without the add-on."""
    project(GUARD + second)
    assert doctor()[0] == 0


def test_hashes_that_are_not_imagehashs(project: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where libraries have moved the values of an algorithm, the doctor says which, and that is bad."""
    project()
    monkeypatch.setattr(conformance, "_deviates", lambda name: name in ("dhash", "whash"))
    code, lines = doctor()
    assert code == 1
    (line,) = set(lines) - set(ALL_WELL)
    assert line.startswith("BAD  dhash, whash: the values computed here are not those of the imagehash package")


def test_the_log_of_incidents(project: Callable[..., Path]) -> None:
    """Where matches are to be recorded, the doctor looks whether they could be, and at their signature."""
    folder = project()
    policy = folder / "policy.yaml"
    text = policy.read_text()
    recipient = encryption.write_identity(folder / "officer.key")[1]
    policy.write_text(f"{text}incidents: {{recipients: [{recipient}]}}\n")
    code, lines = doctor()
    log = folder / "incidents"
    assert code == 0
    unsigned = (
        f"ok   matches go into the log of incidents in {log}, not signed: the policy names no incidents.signing_key"
    )
    assert unsigned in lines
    keys.write_signing_key(folder / "sign.key")
    policy.write_text(f"{text}incidents: {{recipients: [officer.key.pub], signing_key: sign.key}}\n")
    assert f"ok   matches go into the log of incidents in {log}, signed" in doctor()[1]
    policy.write_text(f"{text}incidents: {{recipients: [officer.key]}}\n")
    code, lines = doctor()
    assert code == 1
    assert any("holds a private key" in line for line in lines)


@pytest.mark.parametrize("settings", ["", 'EXTENSIONS = {"ingest_guard.Watchdog": None}\n'])
def test_no_second_line(project: Callable[..., Path], settings: str) -> None:
    """Without it, the doctor says what to add."""
    project(GUARD + settings)
    code, lines = doctor()
    assert code == 1
    at = lines.index("BAD  a crawl with -s ADDONS={} would run unguarded")
    assert lines[at + 1].strip() == ('-> add to the settings: EXTENSIONS = {"ingest_guard.Watchdog": 0}')


BAD_SPIDERS = """
from scrapy import Spider


class Good(Spider):
    name = "good"


class NoGate(Spider):
    name = "nogate"
    custom_settings = {"DOWNLOADER_MIDDLEWARES": {"ingest_guard.scrapy_plugin.gate.Gate": None}}


class NoAddons(Spider):
    name = "noaddons"
    custom_settings = {"ADDONS": {}}


class Outside(Spider):
    name = "outside"
    custom_settings = {"DOWNLOADER_MIDDLEWARES": {"scrapy.downloadermiddlewares.stats.DownloaderStats": 10**9}}


class Broken(Spider):
    name = "broken"

    @classmethod
    def update_settings(cls, settings):
        raise KeyError("[red]x[/nothing]")
"""


def test_spiders_that_would_not_be_guarded(project: Callable[..., Path]) -> None:
    """Each spider is judged by its own settings, and each trouble is told in its words."""
    project(spiders=BAD_SPIDERS)
    code, lines = doctor()
    assert code == 1
    told = {line.split()[2].rstrip(":"): line for line in lines if " spider " in line}
    assert told["good"] == "ok   spider good is guarded"
    assert "Gate is set to None in DOWNLOADER_MIDDLEWARES" in told["nogate"]
    assert "the add-on is not in the setting ADDONS" in told["noaddons"]
    assert "has order 1000000000 in DOWNLOADER_MIDDLEWARES, outside of Gate" in told["outside"]
    assert "its settings cannot be applied (KeyError: '[red]x[/nothing]')" in told["broken"]
    assert sum(line.startswith("BAD") for line in lines) == 4


def test_project_without_the_addon(project: Callable[..., Path]) -> None:
    """It says so of the project and of every spider."""
    project('INGEST_GUARD_POLICY = "policy.yaml"\n' + SECOND)
    code, lines = doctor()
    assert code == 1
    assert sum("the add-on is not in the setting ADDONS" in line for line in lines if line.startswith("BAD")) == 2


@pytest.fixture
def signed(project: Callable[..., Path]) -> Path:
    """Make a project with a store of two versions that one signer has signed; return its folder."""
    folder = project()
    keys.write_signing_key(folder / "signer")
    key = keys.read_signing_key(folder / "signer")
    for number in "12":
        make_blocklist(folder / "store", {"l": [("md5", "0" * 31 + number)]})
        sign_store(folder / "store", key)
    return folder


def test_what_is_remembered_is_shown(signed: Path) -> None:
    """The version that none may be older than, and the file that says so; looking at it leaves no trace."""
    file = signed / "policy.yaml"
    file.write_text("blocklist: store\nworkers: inline\nsigner: signer.pub\n")
    _, lines = doctor()
    assert any(line.startswith("ok   no version of the blocklist was in use here yet; remembered in") for line in lines)
    assert not (signed / "ingest_guard_state").exists()
    version = Guard.from_policy(Policy.load(file)).version
    code, lines = doctor()
    (line,) = [line for line in lines if "the newest version seen is" in line]
    assert (code, version[:12] in line, "ingest_guard_state/newest-" in line) == (0, True, True)
    point_to(signed / "store", versions(signed / "store")[1])
    code, lines = doctor()
    assert code == 1
    assert any(line.startswith("BAD") and "is older than" in line for line in lines)


@pytest.mark.parametrize(
    ("state", "expected"),
    [("none", "can be pointed back to an older signed one"), ("signer/x", "BAD  the newest version of the blocklist")],
)
def test_where_nothing_is_remembered(signed: Path, state: str, expected: str) -> None:
    """A policy that does without is told what that means; a folder that cannot be written to is found."""
    (signed / "policy.yaml").write_text(f"blocklist: store\nworkers: inline\nsigner: signer.pub\nstate: {state}\n")
    code, lines = doctor()
    assert any(expected in line for line in lines)
    assert code == (0 if state == "none" else 1)


@pytest.mark.parametrize(
    ("policy", "trouble"),
    [("blocklist: absent\n", "absent"), ("blocklst: x\n", "unknown key"), (None, "cannot be read")],
)
def test_policy_or_blocklist_in_trouble(project: Callable[..., Path], policy: str | None, trouble: str) -> None:
    """What would stop the crawl at its start is found here."""
    folder = project()
    if policy is None:
        (folder / "policy.yaml").unlink()
    else:
        (folder / "policy.yaml").write_text(policy)
    code, lines = doctor()
    assert code == 1
    assert any(line.startswith("BAD") and trouble in line for line in lines)


def test_no_spider_yet(project: Callable[..., Path]) -> None:
    """A project without spiders is in good health, and the doctor says that there was nobody to look at."""
    project(spiders="")
    assert doctor() == (0, [*ALL_WELL[:-1], "No spider in this project yet."])


@pytest.mark.parametrize("spiders", ["import no_such_module\n", "def\n"])
def test_spiders_that_cannot_be_loaded(project: Callable[..., Path], spiders: str) -> None:
    """A module that does not import is a finding, not a crash."""
    project(spiders=spiders)
    code, lines = doctor()
    assert code == 1
    assert any(line.startswith("BAD  the spiders cannot be loaded (") for line in lines)


def test_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, project: Callable[..., Path]) -> None:
    """Outside of a project it says where to go."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SetupError, match=r"no scrapy\.cfg here or above; go to the folder of your Scrapy project"):
        doctor()


@pytest.mark.parametrize("settings", ["import no_such_module\n", "1 / 0\n", "def\n"])
def test_settings_that_cannot_be_loaded(project: Callable[..., Path], settings: str) -> None:
    """The project's settings are a program: whatever it raises is told in one line."""
    project(settings)
    with pytest.raises(SetupError, match="the project's settings cannot be imported"):
        doctor()


def test_settings_module_of_the_environment(
    project: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without scrapy.cfg the environment may name the settings, as for scrapy itself."""
    folder = project()
    (folder / "scrapy.cfg").unlink()
    package = next(path.name for path in folder.iterdir() if path.name.startswith("doctored"))
    monkeypatch.setenv("SCRAPY_SETTINGS_MODULE", f"{package}.settings")
    monkeypatch.syspath_prepend(str(folder))
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    settings = checks.project_settings(str(elsewhere))
    assert settings.get("INGEST_GUARD_POLICY") == "policy.yaml"
    assert sys.path[0] == str(elsewhere)


def notes(lines: list[str], mark: str = "note") -> str:
    """Return the lines with a mark, and the advice."""
    return "\n".join(line for line in lines if line.startswith((mark, "      ->")))


OTHERS = """
from scrapy import Spider, signals
from scrapy.core.downloader.handlers.http11 import HTTP11DownloadHandler
from scrapy.pipelines.files import FilesPipeline


class Listener:
    @classmethod
    def from_crawler(cls, crawler):
        crawler.signals.connect(cls.hear, signals.bytes_received)

    def hear(self):
        pass


class Hearer:
    signal = signals.response_downloaded


class Handler(HTTP11DownloadHandler):
    pass


class Stores(FilesPipeline):
    pass


class Good(Spider):
    name = "good"


class Open(Spider):
    name = "open"
    custom_settings = {"TELNETCONSOLE_ENABLED": True}
"""


@pytest.mark.parametrize(("level", "mark"), [("default", "note"), ("strict", "BAD")])
def test_parts_of_others(project: Callable[..., Path], level: str, mark: str) -> None:
    """Told in the default level, and bad where the strict one would not start."""
    folder = project(
        GUARD
        + "import os\nHERE = __name__.split('.')[0]\n"
        + "EXTENSIONS = {'ingest_guard.Watchdog': 0, f'{HERE}.spiders.Listener': 1, "
        + "f'{HERE}.spiders.Hearer': 2}\n"
        + "DOWNLOAD_HANDLERS = {'https': f'{HERE}.spiders.Handler'}\n"
        + "ITEM_PIPELINES = {f'{HERE}.spiders.Stores': 1, 'scrapy.pipelines.images.ImagesPipeline': 2}\n"
        + "FILES_STORE = 's3://bucket/x'\nLOG_LEVEL = 'DEBUG'\nCOOKIES_DEBUG = True\n",
        spiders=OTHERS,
    )
    policy = folder / "policy.yaml"
    policy.write_text(
        policy.read_text() + f"level: {level}\nhygiene: {{core_dumps: true, dumpable: true, log_filter: false}}\n"
    )
    (folder / "core_pattern").write_text("|/usr/lib/systemd/systemd-coredump")
    (folder / "swaps").write_text("Filename Type\n/dev/sda2 partition\n")
    code, lines = doctor()
    assert code == (1 if level == "strict" else 0)
    told = notes(lines)
    assert ".spiders.Listener seems to listen to bytes_received" in notes(lines, mark)
    for text in (
        ".spiders.Hearer seems to listen to response_downloaded",
        "https: is downloaded by",
        ".spiders.Stores stores what has passed",
        "scrapy.pipelines.images.ImagesPipeline stores what has passed",
        "FILES_STORE is on another machine",
        "COOKIES_DEBUG is on",
        "swap is on (/dev/sda2)",
        "hygiene.core_dumps is on",
        "hygiene.log_filter is off",
        "core dumps go to a program here",
    ):
        assert text in told, text
    if level == "strict":
        assert "BAD  spider open: ingest_guard: TELNETCONSOLE_ENABLED is on" in "\n".join(lines)
        assert "and what it brings is checked right there" in told
        assert "LOG_LEVEL is DEBUG" not in told
    else:
        assert "TELNETCONSOLE_ENABLED is on: other programs" in told
        assert "LOG_LEVEL is DEBUG" in told


STORES = (
    "HTTPCACHE_ENABLED = True\nHTTPCACHE_DIR = 'cache'\nFILES_STORE = 'files'\nJOBDIR = 'job'\n"
    "SPIDER_LOADER_WARN_ONLY = True\n"
)


def test_stores_and_job_directories(project: Callable[..., Path]) -> None:
    """What a crawl would not start with, and what another blocklist has looked at."""
    folder = project(GUARD + SECOND + STORES)
    cache, files, job = folder / ".scrapy" / "cache", folder / "files", folder / "job"
    for each in (cache, files, job / "requests.queue"):
        each.mkdir(parents=True)
    (cache / "x").touch()
    (files / "x").touch()
    (files / ".ingest-guard.json").write_text('{"since": "2026-01-01T00:00:00Z", "list_version": "another"}')
    (job / "requests.seen").write_text("0123\n")
    (job / "requests.queue" / "0").write_bytes(b"\0\0\0\x01data:image/png;base64,AAAA\0\0\0\x1a")
    (job / "requests.queue" / "1").write_bytes(b"?")
    code, lines = doctor()
    assert code == 1
    assert f"the HTTP cache {cache} (HTTPCACHE_DIR) holds files from before the guard" in notes(lines, "BAD")
    assert "is of a crawl that was killed" in notes(lines, "BAD")
    assert "holds requests that are data: URLs" in notes(lines, "BAD")
    assert f"the media store {files} (FILES_STORE) was last looked through with another blocklist" in notes(lines)
    assert "type: ingest-guard purge" in notes(lines)
    policy = folder / "policy.yaml"
    policy.write_text(policy.read_text() + "old_stores: accept\n")
    assert "which the policy accepts" in notes(doctor()[1])


def test_a_cache_that_would_write_memory(project: Callable[..., Path]) -> None:
    """No crawl starts with an ndbm database, and doctor says so."""
    storage = "HTTPCACHE_STORAGE = 'scrapy.extensions.httpcache.DbmCacheStorage'\nHTTPCACHE_DBM_MODULE = 'dbm.ndbm'\n"
    project(GUARD + SECOND + "HTTPCACHE_ENABLED = True\n" + storage)
    code, lines = doctor()
    assert code == 1
    assert "remains of the crawl's memory" in notes(lines, "BAD")


def test_a_cache_that_is_not_in_use(project: Callable[..., Path]) -> None:
    """It stops no crawl, and still holds what it holds."""
    folder = project(GUARD + SECOND + "HTTPCACHE_DIR = 'cache'\n")
    (folder / ".scrapy" / "cache").mkdir(parents=True)
    (folder / ".scrapy" / "cache" / "x").touch()
    code, lines = doctor()
    assert code == 0
    assert "is not in use and holds files from before the guard" in notes(lines)


def test_a_browser_that_loads_pictures(project: Callable[..., Path]) -> None:
    """A rule of the project's that lets pictures through is told."""
    browser = (
        "DOWNLOAD_HANDLERS = {'https': 'scrapy_playwright.handler.ScrapyPlaywrightDownloadHandler'}\n"
        "PLAYWRIGHT_ABORT_REQUEST = bool\nPLAYWRIGHT_ABORT_REQUEST = (lambda request: False)\n"
    )
    project(GUARD + SECOND + browser)
    code, lines = doctor()
    assert code == 0, lines
    assert "PLAYWRIGHT_ABORT_REQUEST does not abort requests for pictures" in notes(lines)

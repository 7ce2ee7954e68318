from __future__ import annotations

import re
from pathlib import Path

import pytest

from ingest_guard.lists.fetch.errors import SourcesError
from ingest_guard.lists.fetch.sources import NCMEC, NcmecSource, Secret, StopNciiSource, load

NCMEC_SOURCE = """
- id: ncmec
  kind: ncmec
  environment: industry
  user: {env: FETCH_USER}
  password: {env: FETCH_SECRET}
"""


def write(folder: Path, text: str) -> Path:
    """Write a file of sources."""
    path = folder / "sources.yaml"
    path.write_text(text)
    return path


def test_example_is_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file in settings/ is one that the command takes, with a source of each kind."""
    sources = load(Path(__file__).parents[3] / "settings" / "lists" / "sources.yaml")
    assert {source.kind for source in sources} == {"ncmec", "stopncii", "tat", "threatexchange"}
    assert all(source.secrets for source in sources)
    assert len({source.identity for source in sources}) == len(sources)


def test_environment_is_an_address(tmp_path: Path) -> None:
    """NCMEC's databases are called by their names."""
    (source,) = load(write(tmp_path, NCMEC_SOURCE))
    assert isinstance(source, NcmecSource)
    assert source.base == "https://report.cybertip.org/hashsharing"
    assert source.check == "the environment variable FETCH_USER and the environment variable FETCH_SECRET"
    assert source.patience.attempts == 6
    assert all(url.startswith("https://") for url in NCMEC.values())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("{env: FETCH_SECRET}", "hunter2secret"), "line 6: key password: credentials do not stand in this file"),
        (("{env: FETCH_SECRET}", "{env: hunter2secret}"), "line 6: key password.env: not of the form"),
        (("{env: FETCH_SECRET}", "{env: A, file: b}"), "line 6: key password: name one place"),
        (("{env: FETCH_SECRET}", "{}"), "line 6: key password: name one place"),
        (("environment: industry", "url: https://hunter2secret:x@host/"), "credentials do not stand in this file, nor"),
        (("environment: industry", "url: https://host/?key=hunter2secret"), "without ? and #"),
        (("environment: industry", "url: http://host/"), "line 4: key url: expected https"),
        (("environment: industry", "url: https://[/"), "expected an address"),
        (("environment: industry", "url: 'https://host:port/'"), "expected an address"),
        (("environment: industry", "url: nothing"), "expected an address"),
        (("environment: industry", "environment: mars"), "expected one of industry"),
        (("environment: industry", ""), "name one of environment and url"),
        (("kind: ncmec", "kind: hunter2secret"), "line 2: key kind: expected one of ncmec, stopncii, tat, threatex"),
        (("kind: ncmec", "kind: [1]"), "key kind: expected one of"),
        (("id: ncmec", "id: ../x"), "line 2: key id: not of the form"),
        (("  kind: ncmec", "  kind: ncmec\n  extra: hunter2secret"), "line 4: key extra: unknown key"),
        (("  user: {env: FETCH_USER}\n", ""), "key user: this key is missing"),
        (("- id: ncmec", "- id: ncmec\n  id: ncmec"), "stands here and in line 2"),
    ],
)
def test_what_is_wrong_is_told_without_a_value(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    """The error names line and key, and never says what stood there: it could be a credential."""
    assert change[0] in NCMEC_SOURCE
    with pytest.raises(SourcesError, match=re.escape(said)) as caught:
        load(write(tmp_path, NCMEC_SOURCE.replace(*change)))
    assert "hunter2secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "id: x", "- x", "- [", "just words"])
def test_file_that_is_no_list_of_sources(tmp_path: Path, text: str) -> None:
    """Anything but a list of sources is an error."""
    with pytest.raises(SourcesError):
        load(write(tmp_path, text))


def test_two_sources_of_one_id(tmp_path: Path) -> None:
    """Two sources cannot write one journal."""
    with pytest.raises(SourcesError, match="two sources have the id ncmec"):
        load(write(tmp_path, NCMEC_SOURCE * 2))


def test_file_that_is_not_there(tmp_path: Path) -> None:
    """The error says so."""
    with pytest.raises(SourcesError, match="No such file"):
        load(tmp_path / "none.yaml")


def test_secret_of_a_file(tmp_path: Path) -> None:
    """A credential can stand in a file that nobody else can read; its path is relative to the file of sources."""
    text = """
- id: s
  kind: stopncii
  subscription_key: {file: key}
  function_key: {env: FETCH_SECRET}
"""
    (source,) = load(write(tmp_path, text))
    assert isinstance(source, StopNciiSource)
    key = tmp_path / "key"
    with pytest.raises(SourcesError, match="cannot be read: No such file"):
        source.subscription_key.read()
    key.write_text("from-file\n")
    key.chmod(0o644)
    with pytest.raises(SourcesError, match="chmod 600"):
        source.subscription_key.read()
    key.chmod(0o600)
    assert source.subscription_key.read() == "from-file"
    key.write_bytes(b"\xff")
    with pytest.raises(SourcesError, match="is not text"):
        source.subscription_key.read()
    assert source.check == f"the file {key} and the environment variable FETCH_SECRET"


@pytest.mark.parametrize("value", ["", "\n", "two\nlines", "caf\u00e9"])
def test_secret_that_is_none(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """A variable that is empty, or holds what no credential has, is named."""
    monkeypatch.setenv("FETCH_SECRET", value)
    with pytest.raises(SourcesError, match="the environment variable FETCH_SECRET") as caught:
        Secret(env="FETCH_SECRET").read()
    assert "caf" not in str(caught.value)
    monkeypatch.delenv("FETCH_SECRET")
    with pytest.raises(SourcesError, match="not set"):
        Secret(env="FETCH_SECRET").read()

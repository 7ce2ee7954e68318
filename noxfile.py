"""The matrix of versions: ``make matrix``, or ``nox -s oldest`` and ``nox -s newest``.

* ``oldest``: the lower bound of every dependency in pyproject.toml (``tools/oldest.txt``), Scrapy 2.15.0 above all,
  with Python 3.11; where there is no such interpreter, with the oldest there is.
* ``newest``: whatever the package index has, with the newest Python there is.

Each runs all tests that have to do with Scrapy; ``nox -s oldest -- FILES`` runs others, and ``nox -s oldest -- quick``
(``make matrix-quick``, for CI) those that depend most on its version. Where a version lacks what a test is about (a
queue, a download handler), that test is skipped.
"""

from __future__ import annotations

import shutil
import subprocess
import sys

import nox

nox.options.sessions = ["oldest", "newest"]
nox.options.reuse_existing_virtualenvs = True
nox.needs_version = ">=2024.4.15"

SUPPORTED = ("3.11", "3.12", "3.13", "3.14")
TESTS = ("tests/scrapy_plugin", "tests/crawl", "tests/leaks")
_CRAWLS = ("compat", "compat_cache", "compat_scripts", "items", "media_pipelines", "selftest")
QUICK = ("tests/scrapy_plugin", "tests/leaks", *(f"tests/crawl/test_{name}.py" for name in _CRAWLS))
# What these need beside the package. The rest of the extra ``test`` is for the tests of datasets, and large.
NEEDED = (
    *("attrs", "boto3", "coverage[toml]", "google-cloud-storage", "httpx[http2]", "hypothesis", "ijson", "mmh3"),
    *("pdqhash", "pyrage", "pytest", "pytest-xdist", "redis", "scikit-learn", "scrapy-redis", "Twisted[http2]"),
)


def _works(version: str) -> bool:
    """Tell whether an interpreter of this version is there and starts (pyenv has shims for those that do not)."""
    found = shutil.which(f"python{version}")
    if found is None:
        return f"{sys.version_info.major}.{sys.version_info.minor}" == version
    return subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0


# One at least: a Python that is newer than all of these runs both.
_PRESENT = [version for version in SUPPORTED if _works(version)] or [sys.executable]


@nox.session(python=_PRESENT[0])
def oldest(session: nox.Session) -> None:
    """Run the tests with the oldest version of every dependency."""
    package = ".[demo,metrics,parquet,report]"
    session.install("--constraint", "tools/oldest.txt", "--editable", package, *NEEDED)
    _run(session)


@nox.session(python=_PRESENT[-1])
def newest(session: nox.Session) -> None:
    """Run the tests with the newest version of every dependency."""
    session.install("--upgrade", "--editable", ".[test]")
    _run(session)


def _run(session: nox.Session) -> None:
    code = "import platform, scrapy; print('Python', platform.python_version(), 'with Scrapy', scrapy.__version__)"
    session.run("python", "-c", code)
    env = {"INGEST_GUARD_REQUIRE_ALL": None}
    tests = QUICK if session.posargs == ["quick"] else session.posargs or TESTS
    parallel = ("--numprocesses", "2", "--dist", "loadfile", "--no-loadscope-reorder")
    session.run("python", "-m", "pytest", "-q", *parallel, *tests, env=env)

# Every target makes what it needs: a virtual environment in .venv, with the packages of one extra.
# Paths are relative and programs are started as `python -m`, so that a checkout may lie in a folder with spaces.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

PYTHON := .venv/bin/python
DEMO_FOLDER := .demo
# With INGEST_GUARD_REQUIRE_ALL=1, a test that would be skipped for want of something fails: then all is installed.
TEST := $(if $(INGEST_GUARD_REQUIRE_ALL),test-all,test)
# How many tests run at a time; most of them wait for crawls.
WORKERS := 2
CHECKED := ingest_guard demo tests benchmarks examples sample_project settings

# After a move of the checkout, everything in .venv points to where it was.
ifneq ($(shell cat .venv/.made-at 2>/dev/null),$(shell pwd -P))
$(shell rm -f .venv/.demo .venv/.test .venv/.test-all .venv/.bench)
endif

.PHONY: help demo test test-proof lint format clean bench-fingerprint bench-recall bench-lookup bench-crawl bench-import bench-workers bench-memory bench-recheck bench-neighbours bench-extract bench-hostile bench-pages bench-records matrix matrix-quick scrapy-suite

help: ## Show this help
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 28

demo: .venv/.demo ## Crawl a demo site with the guard on, and show what happened
	@PYTHONPATH=tests $(PYTHON) -m demo --folder $(DEMO_FOLDER)

test: .venv/.$(TEST) ## Run the linters, the type checker and the full test suite with its coverage
	@$(MAKE) --no-print-directory lint
	@rm -f .coverage .coverage.*
	$(PYTHON) -m coverage run -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)
	@$(PYTHON) tools/drop-partial-coverage
	@$(PYTHON) -m coverage combine --quiet
	$(PYTHON) -m coverage report --fail-under=95

test-proof: .venv/.$(TEST) ## Watch a crawl with strace, and search all that its processes write
	$(PYTHON) -m pytest tests/proof $(PYTEST_ARGS)

lint: .venv/.$(TEST) ## Run the linters, the type checker and the import rules
	$(PYTHON) -m ruff check $(CHECKED)
	$(PYTHON) -m ruff format --check $(CHECKED)
	$(PYTHON) -m mypy
	@$(PYTHON) -c "from importlinter.cli import lint_imports_command as lint; lint()"

format: .venv/.$(TEST) ## Bring all code into its form
	$(PYTHON) -m ruff check --fix-only --quiet $(CHECKED)
	$(PYTHON) -m ruff format $(CHECKED)

bench-fingerprint: .venv/.bench ## Measure decoding and fingerprinting
	@$(PYTHON) -m benchmarks.bench_fingerprint $(BENCH_ARGS)

bench-recall: .venv/.bench ## Measure how many edited copies are found
	@$(PYTHON) -m benchmarks.bench_recall $(BENCH_ARGS)

bench-lookup: .venv/.bench ## Measure looking up hashes
	@$(PYTHON) -m benchmarks.bench_lookup $(BENCH_ARGS)

bench-import: .venv/.bench ## Measure reading a list file of 2 GB
	@$(PYTHON) -m benchmarks.bench_import $(BENCH_ARGS)

bench-workers: .venv/.bench ## Measure the workers' memory and a hot swap on a large list
	@$(PYTHON) -m benchmarks.bench_workers $(BENCH_ARGS)

bench-crawl: .venv/.bench ## Measure a crawl with and without the guard
	@$(PYTHON) -m benchmarks.bench_crawl $(BENCH_ARGS)

bench-records: .venv/.bench ## Measure records a second from the pipelines to the shards
	@$(PYTHON) -m benchmarks.bench_records $(BENCH_ARGS)

bench-recheck: .venv/.bench ## Measure a recheck of a million records, and hold it against a brute force
	@$(PYTHON) -m benchmarks.bench_recheck $(BENCH_ARGS)

bench-neighbours: .venv/.bench ## Measure the search for nearest neighbours against faiss and the product alone
	@$(PYTHON) -m benchmarks.bench_neighbours $(BENCH_ARGS)

bench-memory: .venv/.bench ## Measure the memory of a crawl of 10,000 images
	@$(PYTHON) -m benchmarks.bench_memory $(BENCH_ARGS)

bench-hostile: .venv/.bench ## Measure whether a hostile page holds a crawl up
	@PYTHONPATH=tests $(PYTHON) -m benchmarks.bench_hostile $(BENCH_ARGS)

bench-pages: .venv/.$(TEST) ## Compare the guard with what Chromium shows of generated pages; ordinary pages; mutated texts
	@PYTHONPATH=tests $(PYTHON) -m benchmarks.bench_pages $(BENCH_ARGS)

bench-extract: .venv/.$(TEST) ## Compare extraction with what Chromium shows of the documentation on this machine
	@PYTHONPATH=tests $(PYTHON) -m benchmarks.bench_extract $(BENCH_ARGS)

matrix: .venv/.matrix ## Run the tests of the plug-in with the oldest and the newest versions of what it needs
	@$(PYTHON) -m nox $(NOX_ARGS)

matrix-quick: .venv/.matrix ## Run those that depend most on Scrapy's version, with the oldest versions
	@$(PYTHON) -m nox --session oldest -- quick

scrapy-suite: .venv/.$(TEST) ## Run Scrapy's own test suite with the guard in every crawl, and compare (20 minutes)
	@$(PYTHON) -m benchmarks.scrapy_suite $(SUITE_ARGS)

clean: ## Remove everything that make wrote
	@for folder in .demo .bench .scrapy-suite; do if [ -d $$folder ]; then chmod -R u+rwX $$folder; fi; done
	rm -rf .venv .demo .bench .nox .scrapy-suite .coverage .coverage.* htmlcov .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A virtual environment with one extra installed; again when pyproject.toml changes.
.venv/.%: pyproject.toml tools/make-venv
	@tools/make-venv $*

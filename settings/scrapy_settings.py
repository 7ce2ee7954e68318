"""Scrapy settings to copy into your project's ``settings.py``. The first two lines are the installation."""  # noqa: INP001 - a file to copy from, no package

ADDONS = {"ingest_guard.Addon": 0}
INGEST_GUARD_POLICY = "policy.yaml"  # relative to the folder of scrapy.cfg

# The second line of defence. A spider that empties ADDONS cannot remove the guard; a command line with
# `-s ADDONS={}` can, unless the parts stand here too. With the add-on at work these lines change nothing; without it
# they refuse to start. `ingest-guard doctor` tells whether they are there.
DOWNLOADER_MIDDLEWARES = {
    "ingest_guard.scrapy_plugin.gate.Gate": 10**9,
    "ingest_guard.scrapy_plugin.sentinel.Sentinel": -(10**9),
}
EXTENSIONS = {
    "ingest_guard.Watchdog": -(10**9),
}

# Records leave through Scrapy's own feed exports.
FEEDS = {
    "records.jsonl": {"format": "jsonlines", "encoding": "utf-8", "overwrite": True},
}

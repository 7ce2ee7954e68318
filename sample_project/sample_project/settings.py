"""The project's settings: the guard in two lines, and what an ordinary project has."""

BOT_NAME = "sample_project"
SPIDER_MODULES = ["sample_project.spiders"]
NEWSPIDER_MODULE = "sample_project.spiders"
USER_AGENT = "sample_project (+https://example.org/your-bot)"

# --- The guard -------------------------------------------------------------------------------------------------------
ADDONS = {"ingest_guard.Addon": 0}
INGEST_GUARD_POLICY = "policy.yaml"

# Its second line of defence: `scrapy crawl -s ADDONS={}` removes any add-on. With these lines, such a crawl refuses to
# start instead of running unguarded.
DOWNLOADER_MIDDLEWARES = {
    "ingest_guard.scrapy_plugin.gate.Gate": 10**9,
    "ingest_guard.scrapy_plugin.sentinel.Sentinel": -(10**9),
}
EXTENSIONS = {
    "ingest_guard.Watchdog": -(10**9),
    "sample_project.statsfile.StatsFile": 0,
}

# --- The crawl -------------------------------------------------------------------------------------------------------
ROBOTSTXT_OBEY = True
CONCURRENT_REQUESTS_PER_DOMAIN = 8
DOWNLOAD_DELAY = 0
RETRY_TIMES = 1

# A cache and a job directory: both would keep what a late guard lets through.
HTTPCACHE_ENABLED = True
HTTPCACHE_DIR = "httpcache"
JOBDIR = "job"

# Records leave through Scrapy's own feed exports.
FEEDS = {
    "records.jsonl": {"format": "jsonlines", "encoding": "utf-8", "overwrite": True},
}

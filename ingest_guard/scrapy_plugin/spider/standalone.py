"""The settings of a crawl without a project: the guard with its second line of defence, and the spider for seeds.

A settings module for Scrapy: ``SCRAPY_SETTINGS_MODULE=ingest_guard.scrapy_plugin.spider.standalone``.
"""

BOT_NAME = "ingest_guard"
SPIDER_MODULES = ["ingest_guard.scrapy_plugin.spider.spider"]
ADDONS = {"ingest_guard.Addon": 0}
INGEST_GUARD_POLICY = "policy.yaml"
DOWNLOADER_MIDDLEWARES = {
    "ingest_guard.scrapy_plugin.gate.Gate": 10**9,
    "ingest_guard.scrapy_plugin.sentinel.Sentinel": -(10**9),
}
EXTENSIONS = {"ingest_guard.Watchdog": -(10**9)}
TELNETCONSOLE_ENABLED = False

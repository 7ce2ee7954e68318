"""The report: a self-contained HTML page about a crawl, made of what the crawl noted beside its records."""

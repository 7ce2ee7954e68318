"""The whole decision about one body: digests, scan, matches, verdict. Knows nothing of Scrapy."""

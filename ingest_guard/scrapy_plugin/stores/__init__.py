"""The folders in which Scrapy keeps bodies between crawls: where they are, since when they are guarded, purge."""

"""Isolated child processes that decode and compare images for a crawl. Nothing in here imports scrapy but the pool."""

"""Scrapy's own test suite, with the guard in every crawler."""

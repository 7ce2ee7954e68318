"""Isolated child processes that decode and compare images, for any asyncio program.

Nothing in here imports Scrapy: a crawl uses the pool as any other program does.
"""

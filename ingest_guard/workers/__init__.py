"""Isolated child processes that decode and compare images: ``child`` runs in them, all else in their parent.

Nothing in here imports Scrapy: a crawl uses the pool as any other program does.
"""

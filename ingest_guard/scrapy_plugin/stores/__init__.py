"""What Scrapy itself stores: found at a start, and purged."""

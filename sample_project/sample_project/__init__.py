"""A Scrapy project that collects pictures' addresses and alt texts, guarded by ingest_guard."""

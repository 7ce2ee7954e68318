"""Where a crawl writes its records: feeds, exporters, the manifest, and resuming."""

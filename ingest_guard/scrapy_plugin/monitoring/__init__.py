"""What a running crawl shows: telemetry, metrics, progress."""

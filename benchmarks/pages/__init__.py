"""Pages for ``bench_pages``: made from a seed, opened in Chromium, given to the guard."""

"""Reading columns and fingerprints from tables of records, made by a crawl or by others, and writing some rows less."""

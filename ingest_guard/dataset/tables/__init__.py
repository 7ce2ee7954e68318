"""Reading columns and fingerprints from tables of records, whoever wrote them."""

"""Making the next version of a blocklist: from list files, from changes, or from the last version."""

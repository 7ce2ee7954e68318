"""What other services know of the fingerprints in a log: asked by the officer, on the officer's machine."""

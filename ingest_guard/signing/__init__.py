"""Keys and signatures (Ed25519): the same for blocklists and manifests."""

"""Keys and signatures (Ed25519): the same for blocklists and for the manifests of data sets."""

"""What one version is made of: Bloom filters, sorted tables and near indexes, plain or keyed."""

"""What one version is made of: Bloom filters, sorted tables, near indexes, which apply the lists' thresholds."""

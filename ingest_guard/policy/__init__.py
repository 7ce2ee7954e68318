"""The policy: what the operator decides, read from YAML and validated."""

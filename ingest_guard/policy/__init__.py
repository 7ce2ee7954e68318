"""The policy: what the operator decides, read from one YAML file and validated."""

from ingest_guard.policy.policy import Policy

__all__ = ["Policy"]

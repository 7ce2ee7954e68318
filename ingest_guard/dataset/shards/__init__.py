"""The files that records lie in."""

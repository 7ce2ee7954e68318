"""From a body, as it was sent, to a verdict: what crawls and other programs share, and a pool for the latter."""

"""Frames and bytes -> fingerprints: digests, PDQ and its views, the imagehash family, and hashers from plug-ins."""

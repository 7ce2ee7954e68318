"""The folder of versions: the manifest of each, which one is current, the proof that it is whole, and who signed it."""

"""The folder of versions: what a version says of itself, which one is current, and the proof that it is whole."""

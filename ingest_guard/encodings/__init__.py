"""Undo Content-Encoding: every stage kept for a look, every output bounded, every doubt reported."""

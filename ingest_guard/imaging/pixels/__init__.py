"""Decoded pixels: colour modes, colour spaces, orientation, frames."""

"""Images inside text."""

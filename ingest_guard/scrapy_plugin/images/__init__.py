"""Fetching the images that items name."""

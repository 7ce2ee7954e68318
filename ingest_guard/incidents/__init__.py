"""Incidents: a sealed, signed record of each match, which the crawler can write and cannot read."""

"""Reports: what an officer hands on of opened incidents, one report for each page."""

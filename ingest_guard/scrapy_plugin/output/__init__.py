"""Records on their way to files: feeds, exporters, the manifest, and resuming."""

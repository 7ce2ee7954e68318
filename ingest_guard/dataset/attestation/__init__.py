"""What a data set says of how it was made: the manifest beside its shards, its signature, and the same as Croissant."""

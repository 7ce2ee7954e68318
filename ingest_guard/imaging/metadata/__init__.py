"""What an image file says of its own use, in its metadata: XMP packets, and assertions in C2PA manifests.

Pure readers: they take bytes from anywhere, never raise for what those may be, and take linear time. What a statement
means is decided elsewhere (:mod:`ingest_guard.dataset.optouts.in_files`).
"""

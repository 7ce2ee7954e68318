"""From lists of hash values to matches: the blocklist on disk, and the two ways of looking something up in it.

``algorithms``
    The one table of algorithms: bytes a value, exact or near, thresholds.
``hamming``
    Near values: :class:`~ingest_guard.blocklist.index.HammingIndex`, exact multi-index hashing.
``near``
    The near indexes of all lists, of bits and of hasher plug-ins' byte vectors: written, opened, searched.
``bloom``, ``exact``, ``bulk``, ``tables``
    Exact values: pybloom-live filters, opened read-only through ``mmap``, and sorted tables that confirm their hits.
``manifest``, ``verify``, ``arrays``, ``load``, ``soundness``
    A version on disk: what it says of itself, and the proof that it is that.
``artifact``, ``lookups``, ``selection``
    The opened :class:`~ingest_guard.blocklist.blocklist.Blocklist`, and what of it counts for an operator.
``keys``, ``seal``
    Keyed ("sealed") blocklists, whose files alone do not tell what is listed.
``pointer``, ``store``, ``publish``, ``activate``
    The folder of versions, its ``current`` pointer, how a new version gets there, and what others need of all that.
``build``, ``collect``, ``gather``, ``degenerate``, ``placeholders``, ``changes``, ``report``, ``write``
    List files -> a version, and what an operator is told of it.
``update``, ``edits``, ``slots``, ``layers``, ``contents``, ``compact``, ``compare``
    What changes from one version to the next, without a rebuild; and two versions held against each other.
``pack``, ``unpack``, ``signing``
    A version as one file, encrypted and signed.
"""

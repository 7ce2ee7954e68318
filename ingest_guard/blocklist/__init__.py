"""From lists of hash values to matches: the blocklist on disk, and the two ways of looking something up in it.

``algorithms``
    The one table of algorithms: bytes a value, exact or near, thresholds.
``hamming``
    Near values: :class:`~ingest_guard.blocklist.hamming.HammingIndex`, exact multi-index hashing.
``near``
    The near indexes of all lists, of bits and of hasher plug-ins' byte vectors: written, opened, searched.
``bloom``
    Exact values: pybloom-live filters, opened read-only through ``mmap``.
``manifest``, ``verify``, ``arrays``, ``load``, ``soundness``, ``artifact``
    A version on disk: what it says of itself, the proof that it is that, and the opened
    :class:`~ingest_guard.blocklist.artifact.Blocklist`.
``pointer``, ``store``
    The folder of versions, its ``current`` pointer, and what others need of both.
``build``, ``collect``, ``degenerate``, ``publish``, ``report``
    List files -> a version.
"""

"""From lists of hash values to matches: the blocklist on disk, and the two ways of looking something up in it.

``blocklist``, ``lookups``, ``selection``, ``list_info``, ``canary``, ``batch_exact``
    The opened :class:`~ingest_guard.blocklist.blocklist.Blocklist`, and what of it counts for an operator.
``store``
    The folder of versions: the manifest of each, the proof that it is whole, its signatures, the ``current`` pointer.
``parts``
    What a version is made of: Bloom filters and tables of exact values, near indexes, keys of records.
``index``
    The look-up of near values: :class:`~ingest_guard.blocklist.index.HammingIndex`, exact multi-index hashing.
``build``
    List files -> the next version; changes to a version without a rebuild; two versions compared.
``transfer``
    A version as one file, encrypted and signed.
"""

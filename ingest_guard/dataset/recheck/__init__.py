"""Records that are already out, held against a newer list: which of them must go, and shards without them.

``fingerprints``, ``hexadecimal``, ``columns``
    What of a table counts as a fingerprint or an address, and the values themselves, by the hundred thousand.
``comparer``, ``gained``, ``near``, ``addresses``
    Those values against a blocklist, or against what it gained since a version.
``plan``
    What is compared with what, in a form that goes to other processes and machines.
``tables``, ``parquet``, ``lines``
    Shards read and written again, each in its own format.
``search``, ``run``, ``publish``, ``tombstones``, ``provenance``
    A whole folder: find what must go, note it down, then write.
"""

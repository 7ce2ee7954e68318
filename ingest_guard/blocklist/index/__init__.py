"""Near look-up: every entry within a Hamming distance, found exactly and without reading all entries.

Multi-index hashing (Norouzi, Punjani, Fleet: "Fast Exact Search in Hamming Space with Multi-Index Hashing", 2014) with
the general pigeonhole principle (Qin et al.: "GPH: Similarity Search in Hamming Space", 2018): cut a value into bands
and give band *i* a radius ``r_i`` so that the sum of ``r_i + 1`` exceeds the distance looked for; then any value within
that distance is within ``r_i`` of the query in at least one band.
"""

from ingest_guard.blocklist.index.hamming import HammingIndex

__all__ = ["HammingIndex"]

"""Compare published records again with a newer blocklist, and write their shards without those that match.

``run.recheck`` does a folder, ``spark.clean`` a table of any size; both follow the same ``plan.Plan``.
"""

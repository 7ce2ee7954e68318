"""Embeddings that go along with tables: where they are, how they are read, and how rows are cut from them in step."""

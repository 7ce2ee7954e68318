"""Nearest neighbours of embeddings over the files of a data set: exact, in one pass, without any picture."""

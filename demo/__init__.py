"""The demo: a real crawl of a made-up site, whose every image has a known right answer.

Nothing in here is abuse imagery. The pictures are photographs in the public domain and drawings made from a seed, and
the "hotlines" are two lists that the demo makes of a few of them.
"""

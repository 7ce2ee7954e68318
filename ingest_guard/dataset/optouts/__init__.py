"""Opt-outs as they are written on the web: in HTTP headers, in a page's markup, in a file of the host's.

Pure parsers: they take bytes or texts from anywhere, never raise for what those may be, and take linear time.
"""

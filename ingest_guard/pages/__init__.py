"""Reading text as a browser does: inline bodies, images and their texts, opt-outs, links, and what cannot be read.

It opens no files and no sockets, and is made to run in an isolated worker. :func:`reader.read_page` is its one face.
"""

"""Live lists -> journals: fetch from the services that share hashes, a page at a time, and survive a kill at any point.

``sources`` reads the file of sources, ``http`` is the only way to the network. A client for each service turns its
answers into pages of rows and says where to go on. ``journal_files`` and ``checkpoint`` keep the records on the disk;
``run`` joins them.
"""

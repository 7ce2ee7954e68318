"""Live lists -> journals: fetch from the services that share hashes, a page at a time, and survive a kill at any point.

``config`` reads the file of sources; ``http`` is the one way to the network; a module a service (``ncmec``,
``stopncii``, ``tat``, ``threatexchange``) turns answers into rows and says where to go on; ``state`` and ``keeping``
keep journal and checkpoint together; ``run`` joins them.
"""

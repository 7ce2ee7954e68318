"""What can go wrong, as a tree.

::

    IngestGuardError
     ├── PolicyError          the policy file cannot be read, or says something that it must not
     ├── BlocklistError       a blocklist cannot be opened, verified or built
     │    └── ListFormatError   a list file is not in the format that it was announced as
     ├── HasherError          a hasher plug-in cannot be loaded, or failed (in ``ingest_guard.hashing.registry``)
     ├── DatasetError         a data set's shards cannot be read or written
     │    └── AttestationError  a data set is not what its manifest says, or has none
     ├── IncidentError        the log of incidents cannot be written, read or opened
     ├── SetupError           the guard does not stand where it must in this Scrapy project
     └── GuardFailedError     the guard cannot work any more: everything is dropped from here on

None of them is Scrapy's ``NotConfigured``: Scrapy would log that one and crawl on unguarded. Their texts say what is
wrong, where, and what to do next; never a hash value, a byte of an image, or the URL of something that matched.
"""


class IngestGuardError(RuntimeError):
    """Any error of this package."""


class PolicyError(IngestGuardError):
    """The policy cannot be read, or a key, value or type in it is wrong."""


class BlocklistError(IngestGuardError):
    """A blocklist cannot be opened, verified or built."""


class ListFormatError(BlocklistError):
    """A list file is not in the format that it was announced as."""


class DatasetError(IngestGuardError):
    """The shards of a data set cannot be read or written."""


class IncidentError(IngestGuardError):
    """The log of incidents cannot be written, read or opened."""


class SetupError(IngestGuardError):
    """The guard does not stand where it must in this Scrapy project."""


class GuardFailedError(IngestGuardError):
    """The guard cannot work any more; everything is dropped from here on."""


class AttestationError(DatasetError):
    """A data set is not what its manifest says, has none, or cannot be given one."""

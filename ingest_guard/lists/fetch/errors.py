"""What can go wrong while fetching; texts name the source's host and the status, never an address or a credential."""

from ingest_guard.errors import BlocklistError, PolicyError


class SourcesError(PolicyError):
    """The file of sources cannot be read, or says something that it must not."""


class FetchError(BlocklistError):
    """A source cannot be fetched, or not to its end. What was fetched before stays, and so does the checkpoint."""


class RefusedError(FetchError):
    """The service does not accept the credentials."""


class AnswerError(FetchError):
    """An answer that is none: cut off, too long, or not in the format."""


class UnansweredError(FetchError):
    """The tries are used up, and none brought an answer."""


class StatusError(FetchError):
    """The service answered with a status that another try does not help against.

    Parameters
    ----------
    text
        The whole text.
    status
        The HTTP status.
    """

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class PagingError(FetchError):
    """The service's pages do not lead to the end of what was asked for: they run in circles, or elsewhere."""

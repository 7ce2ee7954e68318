"""From a response to a verdict, and what becomes of it (``judge``)."""

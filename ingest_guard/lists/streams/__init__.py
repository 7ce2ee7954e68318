"""Files of any size as small pieces, in bounded memory: lines of text, events of JSON and XML, pages of records."""

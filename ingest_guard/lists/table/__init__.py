"""Tables (CSV, TSV, JSON Lines) read by a mapping that the operator writes."""

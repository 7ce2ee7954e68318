"""Records: which images an item names, their fields, their filters, and which were seen before."""

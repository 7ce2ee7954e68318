"""Write the files of a data set without some of their rows: tables, and whatever is aligned with them.

After a kill at any moment, each file is the old one or the new one, and the next run finishes what was begun.
"""

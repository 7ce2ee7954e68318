"""Writing a file whole, and opening one safely."""

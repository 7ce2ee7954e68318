"""What leaves the guard: URL / alt-text records, and how items become them."""

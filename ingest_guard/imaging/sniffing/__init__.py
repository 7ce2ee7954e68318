"""What a body is, by its bytes."""

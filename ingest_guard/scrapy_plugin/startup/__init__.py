"""What is checked and set up when a crawl starts."""

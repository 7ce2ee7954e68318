"""The spider that takes images and their texts from pages."""

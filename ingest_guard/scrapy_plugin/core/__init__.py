"""What all parts of the plug-in share."""

"""From bytes to frames: what a body is (:mod:`sniff`), what a browser would show of it (:mod:`decode`)."""

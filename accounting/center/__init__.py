"""The center as a whole: what there was to give, what was held of it, and who used it."""

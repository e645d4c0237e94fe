"""Job history: read from slurmdbd or a file, stored, and summed up into usage."""

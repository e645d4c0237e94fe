"""The report for the city and funders, and the public statistics made of it.

A report is reckoned for a month, quarter or year from what the portal knows, and is provisional until an operator
freezes it as a numbered edition. What the public sees of an edition is decided when it is frozen.
"""

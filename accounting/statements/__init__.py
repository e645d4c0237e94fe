"""Statements 사용 명세서: what a project was granted and used in a month, pool by pool, in GPU-seconds that add up.

content.py is what one says, movement.py how a pool's columns follow from two standings, compose.py reads it from the
books, closing.py freezes and numbers it, selectors.py, rows.py and views.py show it.
"""

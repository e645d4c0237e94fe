"""Figures for scripts: read-only JSON below /api/v1/, opened by a person's access token and by nothing else.

What a token reads is what its person may see at that moment. The description (/api/v1/openapi.json) is made from the
functions and schemas that answer.
"""

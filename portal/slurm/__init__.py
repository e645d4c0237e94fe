"""Slurm, as the portal sees it. Imports nothing of the portal and no Django ORM."""

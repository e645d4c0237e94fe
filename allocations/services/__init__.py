"""Decisions and acts: one function each, `<entity>_<action>(*, …, by, at)`, in one transaction with its Event.

An act that a rule forbids raises `Refused` with the sentence for the person; one that came too late raises LostRace.
"""

from allocations.services.outcomes import Refused

__all__ = ["Refused"]

"""The one family of errors that talking to Slurm raises."""

from __future__ import annotations

from portal.slurm.sentences import Sentence


class SlurmError(Exception):
    """A call to Slurm failed. `permanent`: trying again will not help, a person has to look.

    Made of an English msgid and its parameters: `sentence` is translated where it is shown, str() is English. `words`
    is what Slurm itself said, shown to the operator as it is.
    """

    permanent = False

    def __init__(self, message: str, *, words: str = "", **params: object) -> None:
        self.sentence = Sentence(message, {name: str(value) for name, value in params.items()})
        super().__init__(str(self.sentence))
        self.words = words
        if words:
            self.add_note(words)


class SlurmUnavailable(SlurmError):
    """slurmctld or slurmdbd does not answer, or a call ran out of time: try again later."""


class SlurmRefused(SlurmError):
    """Slurm read the request and refused it, or reading back shows that it did not do it."""

    permanent = True


class SlurmUnreadable(SlurmError):
    """Slurm answered with something the portal does not understand; nothing was changed on the strength of it."""

    permanent = True


class BadName(SlurmError):
    """A name that must not reach Slurm: checked before any command is made."""

    permanent = True

"""What an exit code of Slurm's says, in words: `1:0` is the program's own code, `0:9` the signal that ended it."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

Text = str | Promise
# Shells give 128 + signal for a program that a signal ended.
SHELL_SIGNAL = 128
MOST_SIGNALS = 64

CODES: dict[int, Text] = {
    0: gettext_lazy("The script ended without an error."),
    1: gettext_lazy("The program reported an error: its last lines of output say which."),
    2: gettext_lazy("The program was called in a way it does not know, or a file was missing."),
    126: gettext_lazy("A command could not be run: it may lack the permission to be executed."),
    127: gettext_lazy("A command was not found: a module or an environment may not have been loaded."),
}
SIGNALS: dict[int, Text] = {
    2: gettext_lazy("It was interrupted."),
    6: gettext_lazy("The program gave up on an error inside it (abort)."),
    7: gettext_lazy("The program failed while it read or wrote memory, often a full disk or shared memory."),
    9: gettext_lazy("It was killed at once: often memory ran out, or its time was over."),
    11: gettext_lazy("The program failed while it used memory that is not its own (segmentation fault)."),
    13: gettext_lazy("The program that read its output had gone."),
    15: gettext_lazy("It was asked to end: cancelled, or its time was over."),
}


def exit_words(exit_code: str, state: str = "COMPLETED") -> Text:
    """A sentence; "" where the text is not an exit code, or a zero says nothing: of a job that did not complete."""
    code, _colon, signal = exit_code.partition(":")
    if not code.isdecimal() or not (signal or "0").isdecimal():
        return ""
    number, ended_by = int(code), int(signal or 0)
    if not number and not ended_by and state != "COMPLETED":
        return ""
    if not ended_by and SHELL_SIGNAL < number <= SHELL_SIGNAL + MOST_SIGNALS:
        ended_by = number - SHELL_SIGNAL
    if ended_by:
        return SIGNALS.get(ended_by) or _("Signal %(number)s ended it.") % {"number": ended_by}
    return CODES.get(number) or _("The program ended with its own code %(number)s.") % {"number": number}

"""manage.py slurm plan|apply|check: what the worker would do, doing it once, and whether Slurm enforces limits.

Runs where Slurm's commands are. `plan` and `check` change nothing.
"""

from __future__ import annotations

import json
import sys
from getpass import getuser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from allocations.provisioning.sentences import Sentence, conflict_sentence, in_words, operation_sentence
from allocations.provisioning.sync import SyncReport, preview, synchronise
from portal.schedule import as_row, check_reading, store_queue, waiting_people
from portal.seat import Seat
from portal.slurm import check
from portal.slurm.drivers import OpenedGateway, open_gateway
from portal.slurm.errors import SlurmError
from portal.slurm.findings import Finding, Level
from portal.slurm.gateway import SlurmGateway
from portal.slurm.sentences import Sentence as SlurmSentence
from portal.slurm.slips import SLIPS

WAITS = {
    "writing": "Writing to Slurm is switched off: an operator switches it on on the page /operations/.",
    "confirmation": "The plan pauses very many people: an operator confirms it on the page /operations/.",
}


class Command(BaseCommand):
    help = "Show what would be done in Slurm (plan), do it once (apply), or check what Slurm enforces (check)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["plan", "apply", "check"])
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        try:
            opened = open_gateway(
                settings.SLURM_GATEWAY,
                settings.SLURM_CLUSTER,
                settings.SLURM_ROOT_ACCOUNT,
                settings.SLURM_COMMAND_PREFIX,
            )
            clean = self._act(action, opened, options["json"])
        except SlurmError as error:
            raise CommandError(f"{error} {error.words}".strip()) from error
        if not clean:
            sys.exit(1)

    def _act(self, action: str, opened: OpenedGateway, as_json: bool) -> bool:
        if action == "check":
            return self._check(opened, as_json)
        return (self._plan if action == "plan" else self._apply)(opened.gateway, as_json)

    def _plan(self, gateway: SlurmGateway, as_json: bool) -> bool:
        report = preview(gateway, clock=timezone.now)
        self._show(report, as_json)
        return True

    def _apply(self, gateway: SlurmGateway, as_json: bool) -> bool:
        """One pass, also over what was refused a short while ago. True where nothing is left to be done."""
        with Seat() as seat:
            if not seat.take():
                raise CommandError("The worker is at work and applies the plan by itself.")
            report = synchronise(
                gateway,
                clock=timezone.now,
                keep_going=seat.is_held,
                retry_refused=True,
                waiting=waiting_people(),
                recount=lambda: store_queue(gateway, seat.is_held),
                by=getuser(),
            )
        self._show(report, as_json)
        return not report.remaining

    def _check(self, opened: OpenedGateway, as_json: bool) -> bool:
        """True where no finding is dangerous."""
        reading = check.read(opened.gateway)
        found = check_reading(reading)
        if as_json:
            self._print_json(
                {
                    "slurm_version": reading.config.version,
                    "driver": opened.gateway.driver,
                    "driver_note": _words(opened.driver_note),
                    "findings": [as_row(finding) for finding in found],
                    "slips_through": [_words(slip) for slip in SLIPS],
                }
            )
        else:
            self.stdout.write(f"Slurm {reading.config.version}, driver {opened.gateway.driver}.")
            self.stdout.write(_words(opened.driver_note))
            self._show_findings(found)
        return all(finding.level != Level.DANGER for finding in found)

    def _show_findings(self, found: list[Finding]) -> None:
        for finding in found:
            self.stdout.write(f"{finding.level.value:8} {_words(finding.sentence)}")
            if finding.line:
                self.stdout.write(f"{'':8} {finding.file}: {finding.line}")
        self.stdout.write("What still slips through, and how much at most:")
        for slip in SLIPS:
            self.stdout.write(f"  {_words(slip)}")

    def _show(self, report: SyncReport, as_json: bool) -> None:
        done = [operation_sentence(operation) for operation in report.outcome.done]
        remaining = [operation_sentence(operation) for operation in report.remaining]
        remarks = [conflict_sentence(conflict) for conflict in report.conflicts]
        refused = report.outcome.refused
        if as_json:
            self._print_json(
                {
                    "done": done,
                    "remaining": remaining,
                    "refused": refused,
                    "remarks": remarks,
                    "waits_for": report.waits_for,
                }
            )
            return
        self._list("Done", done)
        self._list("To be done", remaining)
        self._list("Left to a person", remarks)
        for account, words in refused.items():
            self.stdout.write(f"Refused: {account}: {words}")
        if report.waits_for:
            self.stdout.write(WAITS[report.waits_for])
        if not (done or remaining):
            self.stdout.write("Slurm is as the grants say.")

    def _list(self, title: str, sentences: list[Sentence]) -> None:
        if sentences:
            self.stdout.write(f"{title} ({len(sentences)}):")
        for sentence in sentences:
            self.stdout.write(f"  {in_words(sentence)}")

    def _print_json(self, content: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(content, ensure_ascii=False, indent=2))


def _words(sentence: SlurmSentence) -> str:
    return in_words({"message": sentence.message, "params": sentence.params})

"""Demo data. `--base` makes people, pools and a call only, and leaves the work to whoever tests it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from allocations.models import Account, Rebase
from allocations.services.accounts import account_rebase
from portal.demo.seed import seed_base
from portal.demo.work import seed_work

REASON = "시연용 이력은 Slurm 누적 사용량에 없음 (demo history is not in Slurm's counter)"


class Command(BaseCommand):
    help = "Fill an empty database with demo data; running it again changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--rebase", metavar="ACCOUNT", help="note what Slurm's counter of the account lacks, and end"
        )
        parser.add_argument(
            "--by-seconds", type=int, default=0, help="with --rebase: counter minus ledger, GPU-seconds"
        )
        parser.add_argument("--base", action="store_true", help="people, pools and a call, but no applications")

    def handle(self, *args: Any, base: bool, rebase: str | None, by_seconds: int, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError("Demo people with a known password belong in a demo only: set PORTAL_DEMO=1.")
        at = timezone.now()
        if rebase:
            account = Account.objects.get(name=rebase)
            cause, ledger = Rebase.Cause.ADOPTION, -by_seconds
            account_rebase(
                account=account,
                offset_gpu_seconds=by_seconds,
                cause=cause,
                reason=REASON,
                counter=0,
                ledger=ledger,
                by=None,
                at=at,
            )
            return
        seed_base(at)
        if not base:
            seed_work(at)

"""What the last nightly check of the books found, for templates/operations/parts/ledger_check.html."""

from __future__ import annotations

from typing import Any

from accounting.ledger_check.run import results_of
from accounting.models import LedgerCheck


def ledger_check_context() -> dict[str, Any]:
    check = LedgerCheck.objects.first()
    return {"ledger_check": check, "ledger_results": results_of(check) if check else []}

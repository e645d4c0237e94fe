"""Who looks at what: every page of the seeded portal, by the person who uses it."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

# "" is a visitor. Numbers are those that portal/demo/work.py gives, in the order in which it makes things:
# calls 1 open, 2 firms, 3 starter, 4 large and closed, 5 being written; applications 1 granted, 2 in review, 3 before
# the panel, 4 a draft, 5 to check, 6 returned, 7 to assess, 8 offered, 9 to 14 of the large call before the panel.
THIS_MONTH = f"{datetime.now(ZoneInfo('Asia/Seoul')):%Y-%m}"
STEPS = ["project", "need", "technical", "people", "firm", "data", "attachments", "submit"]
TOUR: dict[str, list[str]] = {
    "": [
        "/", "/auth/login/", "/auth/signup/", "/auth/password/reset/", "/calls/", "/calls/1/", "/calls/2/", "/calls/4/",
        "/calculator/", "/api/", "/statistics/",
    ],
    "seoyeon@demo.postech.ac.kr": [
        "/", "/projects/", "/projects/p26001/", "/projects/p26001/members/", "/projects/p26001/members/2/cap/",
        "/projects/p26001/members/2/remove/", "/projects/p26001/start/",
        "/projects/p26001/refunds/", "/projects/p26001/refunds/ask/",
        "/projects/p26001/use/", "/projects/p26001/use/?period=year&by=pool", "/projects/p26001/jobs/",
        "/projects/p26001/use/?period=dates&first=2026-02-02&last=2026-01-01", "/projects/p26001/use/waits/",
        "/projects/p26001/jobs/1/",
        *[f"/projects/p26001/alerts/{part}" for part in ("", "own/", "project/")],
        "/projects/p26001/statements/", f"/projects/p26001/statements/{THIS_MONTH}/", "/projects/p26001/ledger/",
        "/projects/p26001/changes/", *[f"/projects/p26001/changes/new/{kind}/" for kind in
        ("supplement", "extension", "transfer", "return", "pi_change")], "/projects/p26001/renew/",
        "/applications/", "/applications/1/", "/applications/1/print/", "/applications/1/versions/",
        "/me/", "/me/mails/", "/me/tokens/", "/api/", "/auth/email/", "/auth/password/change/", "/auth/logout/",
    ],
    "minjun@demo.postech.ac.kr": [
        "/", "/projects/p26001/", "/projects/p26001/start/", "/applications/8/", "/applications/8/agreement/",
        "/applications/8/agreement/turn-down/", "/calls/3/",
    ],
    "jiho@steel.example": [
        "/", "/applications/2/", *[f"/applications/4/edit/{step}/" for step in STEPS],
        "/applications/2/withdraw/", "/projects/",
    ],
    "woojin@battery.example": ["/", "/applications/6/", "/applications/6/edit/submit/"],
    "yuna@demo.handong.edu": ["/", "/reviews/", "/reviews/profile/", "/reviews/2/", "/reviews/11/"],
    "dohyun@demo.handong.edu": ["/reviews/", "/reviews/3/", "/reviews/12/"],
    "tech@center.example": ["/", "/technical/", "/technical/7/"],
    "decider@center.example": [
        "/", "/panel/", "/panel/calls/1/", "/panel/calls/4/", "/panel/calls/4/proposal/", "/panel/calls/4/announce/",
        "/panel/3/", "/panel/9/", "/applications/1/", "/changes/", "/center/",
    ],
    "operator@center.example": [
        "/", "/office/", "/office/calls/", "/office/calls/new/", "/office/calls/1/", "/office/calls/5/",
        *[f"/office/calls/5/{part}/" for part in ("basics", "pools", "sizes", "criteria", "fields", "documents")],
        "/office/calls/5/publish/", "/office/calls/5/preview/", "/office/calls/4/assignment/",
        "/office/programmes/", "/office/programmes/new/", "/office/consents/", "/office/consents/new/",
        "/office/texts/", "/office/texts/contact/", "/office/pools/", "/office/pools/h100/",
        "/office/applications/", "/office/applications/5/", "/office/applications/9/reviewers/",
        "/office/reviewers/", "/operations/", "/operations/writing/", "/operations/repairs/", "/operations/drift/",
        "/operations/counters/", "/operations/people/", "/operations/accounts/", "/operations/overruns/",
        "/operations/refunds/", "/operations/refunds/rule/", "/operations/refunds/maintenance/",
        "/operations/adjustments/1/",
        "/operations/verification/", "/operations/statements/",
        *[f"/operations/rows/?show={kind}" for kind in ("held", "aside", "runaway", "sealed")],
        "/projects/p26001/", "/projects/p26001/grants/1/suspend/", "/projects/p26001/stop/", "/center/",
        "/operations/center/", "/operations/center/?period=year&step=month",
        f"/reports/targets/{THIS_MONTH[:4]}/", "/demo/mailbox/", "/components/",
    ],
    "observer@city.example": [
        "/", "/center/", "/center/?period=dates&first=2026-05-01",
        "/reports/", f"/reports/{THIS_MONTH}/",
    ],
}  # fmt: skip

"""Who looks at what: every page of the seeded portal, by the person who uses it."""

from __future__ import annotations

# "" is a visitor. Numbers are those that portal/demo/seed.py gives.
TOUR: dict[str, list[str]] = {
    "": ["/", "/auth/login/", "/auth/signup/", "/auth/password/reset/", "/calls/", "/calls/1/"],
    "seoyeon@demo.postech.ac.kr": [
        "/", "/projects/", "/projects/p26001/", "/projects/p26001/members/", "/applications/", "/applications/1/",
        "/me/", "/auth/email/", "/auth/password/change/", "/auth/logout/",
    ],
    "minjun@demo.postech.ac.kr": ["/", "/projects/p26001/"],
    "jiho@steel.example": ["/", "/applications/2/", "/applications/4/edit/", "/applications/2/withdraw/", "/projects/"],
    "yuna@demo.handong.edu": ["/", "/reviews/", "/reviews/2/", "/reviews/3/"],
    "decider@center.example": ["/", "/panel/", "/panel/2/", "/panel/3/", "/center/"],
    "operator@center.example": [
        "/", "/operations/", "/operations/writing/", "/center/", "/demo/mailbox/", "/components/",
    ],
    "observer@city.example": ["/", "/center/"],
}  # fmt: skip

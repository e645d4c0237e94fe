"""E-mail domains that belong to no institution."""

from __future__ import annotations

# Addresses there say nothing of where somebody works.
FREE_MAIL_DOMAINS = frozenset(
    {
        "naver.com", "daum.net", "hanmail.net", "kakao.com", "nate.com", "empas.com", "korea.com", "chol.com",
        "dreamwiz.com", "lycos.co.kr", "paran.com",
        "gmail.com", "googlemail.com", "outlook.com", "outlook.kr", "hotmail.com", "hotmail.co.kr", "live.com",
        "live.co.kr", "msn.com", "yahoo.com", "yahoo.co.kr", "yahoo.co.jp", "icloud.com", "me.com", "mac.com",
        "aol.com", "proton.me", "protonmail.com", "pm.me", "tutanota.com", "fastmail.com", "hey.com", "zoho.com",
        "mail.com", "gmx.com", "gmx.net", "gmx.de", "web.de", "mail.ru", "yandex.com", "yandex.ru", "qq.com",
        "foxmail.com", "163.com", "126.com", "sina.com",
    }
)  # fmt: skip
# Whole branches of the name system, below which anybody has a domain.
PUBLIC_SUFFIXES = frozenset(
    {
        "co.kr", "or.kr", "re.kr", "ac.kr", "go.kr", "ne.kr", "pe.kr", "ms.kr", "hs.kr", "es.kr", "kg.kr",
        "co.jp", "ac.jp", "co.uk", "ac.uk",
    }
)  # fmt: skip

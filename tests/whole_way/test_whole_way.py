"""The whole way of a GPU-hour, through pages and Slurm's own commands: apply, review, decide, enforce, use, see."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from portal.demo.texts import PASSWORD
from portal.slurm.sandbox import CommandFailed
from tests.rig import wait_until

pytestmark = [pytest.mark.slurm, pytest.mark.browser, pytest.mark.timeout(420)]

ADDRESS = "suyeon@postech.ac.kr"
OWN_PASSWORD = "dal-ryeo-2026-pohang"
USER = "suyeon"
LEAF = "p26001-h100"
# 1 GPU-hour: small enough that a second job of half an hour waits beside the first.
AWARDED_HOURS = "1"


def code(number: int) -> str:
    return f"p{datetime.now(UTC) + timedelta(hours=9):%y}{number:03d}"


@pytest.fixture(scope="module")
def leaf() -> str:
    return f"{code(1)}-h100"


def sign_up(person, rig):
    page = person.page
    page.goto("/auth/signup/")
    page.locator("input[name=name_ko]").fill("한수연")
    page.locator("input[name=name_en]").fill("Han Suyeon")
    page.locator("input[name=email]").fill(ADDRESS)
    page.locator("input[name=password1]").fill(OWN_PASSWORD)
    page.locator("input[name=password2]").fill(OWN_PASSWORD)
    page.get_by_role("button", name="회원가입").click()
    mail = wait_until("the code by mail", lambda: rig.mails_to(ADDRESS))[-1]
    sent = re.search(r"^\s*([A-Z0-9]{3,4}-?[A-Z0-9]{3,4})\s*$", mail, flags=re.MULTILINE)
    assert sent, mail
    page.locator("input[name=code]").fill(sent[1])
    page.locator("input[name=code]").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("한수연")
    expect(page.locator("main")).to_contain_text("포항공과대학교")


TITLE = "수소환원제철 공정의 유동 해석 대리 모델"


def apply(person):
    """Step by step; what is missing is listed at the end, all at once, and each leads to its field."""
    page = person.page
    page.get_by_role("link", name="2026년 하반기 GPU 자원 지원 공고").click()
    page.locator("main .button.primary").first.click()
    page.locator("input[name=title_ko]").fill(TITLE)
    go_on(page, "need")
    # 2 GPUs × 30 hours × 4 runs: more than one technical check decides.
    page.locator("input[name='h100-gpus_per_job']").fill("2")
    page.locator("input[name='h100-hours_per_run']").fill("30")
    page.locator("input[name='h100-runs']").fill("4")
    expect(page.locator("output").first).to_contain_text("240")
    today = datetime.now(UTC) + timedelta(hours=9)
    page.locator("input[name=starts_on]").fill(f"{today:%Y-%m-%d}")
    page.locator("input[name=ends_on]").fill(f"{today + timedelta(days=90):%Y-%m-%d}")
    go_on(page, "technical")
    page.locator("[name=framework]").fill("PyTorch 2.8")
    go_on(page, "people")
    page.locator("input[name=delegate_name]").fill("이민준")
    page.locator("input[name=delegate_email]").fill("minjun@demo.postech.ac.kr")
    go_on(page, "data")
    for name in ("personal_data", "export_control"):
        choose(page, name, "no")
    go_on(page, "attachments")
    go_on(page, "submit")
    for box in page.locator("main input[type=checkbox]").all():
        box.check()
    page.locator("button[name=action][value=submit]").click()
    # All problems at once, and what was agreed to is still ticked.
    alert = page.locator("main").get_by_role("alert").first
    expect(alert).to_be_visible()
    assert all(box.is_checked() for box in page.locator("main input[type=checkbox]").all())
    page.locator("main a[href$='/edit/project/'], main a[href*='/edit/project/#']").first.click()
    expect(page.locator("input[name=title_ko]")).to_have_value(TITLE)
    texts = {
        "title_en": "Surrogate models for hydrogen direct reduction",
        "keywords": "철강, 유동 해석",
        "summary": "유동 해석을 학습 모델로 대신하여 설계 시간을 줄인다.",
        "purpose": "해석 결과 2만 건으로 신경 연산자를 학습한다.",
        "background": "유동 해석 한 번에 이틀이 걸린다.",
        "outcomes": "설계 한 번에 드는 시간을 열 배 줄인다.",
    }
    for name, text in texts.items():
        page.locator(f"[name={name}]").fill(text)
    choose(page, "research_field", "process")
    go_on(page, "need")
    page.goto(page.url.replace("/need/", "/submit/"))
    page.locator("button[name=action][value=submit]").click()
    expect(page.locator("main")).to_contain_text(re.compile(r"20\d\d-0001"))


def go_on(page, step):
    page.locator("button[name=action][value=next]").click()
    page.wait_for_url(re.compile(f"/edit/{step}/"))


def choose(page, name, value):
    select = page.locator(f"select[name={name}]")
    if select.count():
        select.select_option(value)
    else:
        page.locator(f"input[name={name}][value={value}]").check()


def check(person):
    """The office finds it eligible."""
    page = person.log_in("operator@center.example", PASSWORD).page
    page.goto("/office/applications/")
    page.get_by_role("link", name=re.compile("수소환원제철")).first.click()
    page.locator("button[value=eligible]").click()
    expect(page.locator("main")).to_contain_text("기술검토")


def assess(person):
    page = person.log_in("tech@center.example", PASSWORD).page
    page.goto("/technical/")
    page.get_by_role("link", name=re.compile("수소환원제철")).first.click()
    page.locator("button[value=start]").click()
    choose(page, "verdict", "feasible")
    page.locator("button[name=action][value=submit]").click()
    page.wait_for_url(re.compile(r"/technical/$"))


def review(rig, person):
    """Whoever the portal gave it to reviews it."""
    (reviewer,) = rig.query(
        "SELECT email FROM people_user u JOIN allocations_review r ON r.reviewer_id = u.id WHERE r.released_at IS NULL"
    )[0]
    page = person.log_in(reviewer, PASSWORD).page
    page.goto("/reviews/")
    page.get_by_role("link", name=re.compile("수소환원제철")).first.click()
    if "/pledge/" in page.url:
        for box in page.locator("main input[type=checkbox]").all():
            box.check()
        page.locator("main button[type=submit]").first.click()
    expect(page.locator("main")).not_to_contain_text("신경 연산자")
    page.locator("button[value=declare]").click()
    expect(page.locator("main")).to_contain_text("신경 연산자")
    for group in page.locator("fieldset:has(input[type=radio])").all():
        group.locator("input[type=radio]").nth(1).check()
    page.locator("input[name=recommended_hours]").fill("1")
    page.locator("textarea[name=comment_to_applicant]").fill("계획이 분명합니다. 먼저 소규모로 확인하십시오.")
    page.locator("button[name=action][value=submit]").click()
    page.wait_for_url(re.compile(r"/submit/$"))
    page.locator("main .button.primary").click()
    page.wait_for_url(re.compile(r"/reviews/(\d+/)?$"))


def decide(person):
    """An hour of what was asked, announced at once."""
    page = person.log_in("decider@center.example", PASSWORD).page
    page.goto("/panel/")
    page.get_by_role("link", name="2026년 하반기 GPU 자원 지원 공고").first.click()
    page.get_by_role("link", name=re.compile("수소환원제철")).first.click()
    page.locator("input[name=outcome][value=partly]").check()
    page.locator("input[name^=award]").fill(AWARDED_HOURS)
    page.locator("button[value=check]").click()
    page.locator("button[value=confirm]").click()
    page.goto(page.url)
    page.locator("a[href$='/announce/']").first.click()
    page.locator("main button.primary").click()
    expect(page.locator("main")).to_contain_text("부분 선정")


def agree(page):
    """The page that stayed open has learnt of the selection; the agreement makes the grant."""
    expect(page.locator("main")).to_contain_text("선정", timeout=15_000)
    page.locator("main a[href$='/agreement/']").first.click()
    for box in page.locator("main input[type=checkbox]").all():
        box.check()
    page.locator("main button.primary").click()
    expect(page.locator("main")).not_to_contain_text("협약 대기")


def test_the_whole_way(rig, person, leaf):
    project = leaf.removesuffix("-h100")
    sandbox = rig.sandbox
    for name in (USER, "outsider"):
        sandbox.person(name)

    applicant = person(locale="ko-KR")
    sign_up(applicant, rig)
    apply(applicant)
    check(person())
    assess(person())
    review(rig, person())
    decide(person())
    page = applicant.page
    agree(page)

    page.goto("/me/")
    page.locator("input[name=cluster_username]").fill(USER)
    page.locator("input[name=cluster_username]").press("Enter")
    expect(page.locator("main")).to_contain_text("승인 대기")
    approve_name(person())
    expect(page.locator("#username-standing")).to_contain_text("사용 가능", timeout=30_000)
    page.goto(f"/projects/{project}/")
    expect(page.locator("main")).to_contain_text("적용됨", timeout=60_000)
    expect(page.locator("main")).to_contain_text(f"sbatch --account={leaf} --partition=h100")

    # Slurm holds what the page says.
    limit = sandbox.run(
        ["sacctmgr", "-n", "-P", "show", "assoc", f"account={leaf}", "user=", "format=grptresmins,grpjobs"]
    ).stdout
    assert limit.strip() == "gres/gpu=60|"

    # A real job runs under it, and the open dashboard shows it without being reloaded.
    page.evaluate("window.notReloaded = true")
    began = datetime.now(UTC)
    wait_until(
        "the person's association",
        lambda: USER in sandbox.run(["sacctmgr", "-n", "-P", "show", "assoc", f"account={leaf}"]).stdout,
    )
    until_seen = "#!/bin/sh\ncd /\nuntil test -e seen; do sleep 0.2; done\n"
    job = sandbox.submit(USER, f"--account={leaf}", "--partition=h100", "--gpus=2", "--time=5", script=until_seen)
    expect(page.locator("#project-now")).to_contain_text(str(job), timeout=60_000)
    sandbox.run(["touch", "/seen"])
    wait_until("the job's end", lambda: finished(sandbox, job), seconds=90)
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=str(job), exact=True))
    expect(row.filter(has_text="정상 종료")).to_be_visible(timeout=60_000)
    assert page.evaluate("window.notReloaded") is True

    refused_and_held(rig, page, leaf)
    equal_to_the_second(rig, page, leaf, job, began)


def approve_name(person):
    """The operator approves the name that was asked for. The login is there already, so the page asks once more."""
    page = person.log_in("operator@center.example", PASSWORD).page
    page.goto("/operations/people/")
    page.get_by_role("checkbox", name=USER).check()
    page.locator("main button.primary").click()
    if page.locator("input[name=confirmed]").count():
        page.locator("main button.primary").click()
    expect(page.locator("main")).not_to_contain_text(USER)


def finished(sandbox, job):
    row = sandbox.run(["sacct", "-n", "-X", "-P", "-j", str(job), "-o", "state,end"]).stdout
    return row.startswith("COMPLETED|2")


def refused_and_held(rig, page, leaf):
    """Who is no member is refused by Slurm; what would pass the limit waits, and the page says why."""
    sandbox = rig.sandbox
    with pytest.raises(CommandFailed, match="Invalid account"):
        sandbox.submit("outsider", f"--account={leaf}", "--partition=h100", "--gpus=1", "--time=1")
    first = sandbox.submit(USER, f"--account={leaf}", "--gpus=2", "--time=20", script="#!/bin/sh\nsleep 600\n")
    wait_until("the first to run", lambda: queue_state(sandbox, first) == "RUNNING")
    second = sandbox.submit(USER, f"--account={leaf}", "--gpus=1", "--time=40", script="#!/bin/sh\ntrue\n")
    reason = ["squeue", "-h", "-j", str(second), "-o", "%r"]
    wait_until("Slurm's reason", lambda: "AssocGrpGRES" in sandbox.run(reason).stdout)
    expect(page.locator("#project-now")).to_contain_text("AssocGrpGRESMinutes", timeout=60_000)
    sandbox.run(["scancel", str(first), str(second)])
    wait_until("both to be gone", lambda: not sandbox.run(["squeue", "-h", "-A", leaf]).stdout.strip())


def queue_state(sandbox, job):
    return sandbox.run(["squeue", "-h", "-j", str(job), "-o", "%T"]).stdout.strip()


def equal_to_the_second(rig, page, leaf, job, began):
    """sreport, sacct and the page's own figures say the same GPU-seconds. (sreport is told to count this hour too.)"""
    sandbox = rig.sandbox
    start = began.replace(minute=0, second=0, microsecond=0)
    end = start + timedelta(hours=2)
    sandbox.rollup(start, end)
    told = sandbox.sreport(start, end)[leaf, USER]
    rows = sandbox.run(
        [
            "sacct",
            "-n",
            "-X",
            "-P",
            "-D",
            "-A",
            leaf,
            "-S",
            f"uts{int(start.timestamp())}",
            "-o",
            "elapsedraw,alloctres",
        ]
    ).stdout.splitlines()
    ran = sum(int(row.split("|")[0]) * int(re.search(r"gres/gpu=(\d+)", row)[1]) for row in rows if "gres/gpu=" in row)
    assert told == ran > 0
    address = f"/projects/{leaf.removesuffix('-h100')}/usage.csv"
    wait_until("the page's figures", lambda: f",{told}" in page.request.get(address).text())

"""Bulk import and export: files as spreadsheets write them, all or nothing, and once is as often."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core import mail
from django.core.management import call_command
from django.core.management.base import CommandError

from allocations.models import Account, Grant, GrantLine, LedgerEntry, Membership, Project
from allocations.provisioning.desired import desired_leaves
from allocations.selectors.reports import reports_overdue
from allocations.services.bulk import BadFile, grants_export, grants_import
from allocations.services.bulk_rows import read_rows, write_rows
from allocations.services.changes import change_grant, extension_ask, supplement_ask
from allocations.services.members import member_remove
from allocations.services.usernames import usernames_found
from portal.people.models import User
from tests.factories import (
    HOUR,
    NOW,
    GrantFactory,
    InstitutionDomainFactory,
    InstitutionFactory,
    PoolFactory,
    UserFactory,
    kst,
)

HEADER = "project_code,title,institution,pi_email,members,pool,gpu_hours,start,end"
STEEL = (
    "steel1,철강 결함 검출,영일만스틸,ceo@steel.example,kim@steel.example:kim;lee@steel.example,h100,1200,"
    "2026-03-01,2026-12-31"
)
FILE = f"""{HEADER}
{STEEL}
steel1,철강 결함 검출,영일만스틸,ceo@steel.example,,a100,80.5,2026-03-01,2026-12-31
bio-2,신약,한동대학교,han@handong.edu,han@handong.edu:han,h100,10,2026. 4. 1.,2026. 9. 30.
"""


@pytest.fixture(autouse=True)
def center(oh):
    """What a center sets up before it imports: institutions, pools, an operator."""
    steel = InstitutionFactory(name_ko="영일만스틸", name_en="Yeongilman Steel")
    InstitutionDomainFactory(institution=steel, domain="steel.example")
    InstitutionFactory(name_ko="한동대학교", name_en="Handong")
    PoolFactory(code="h100")
    PoolFactory(code="a100", position=1)


def load(text, oh, **options):
    rows, bad = read_rows(text.encode() if isinstance(text, str) else text)
    if bad:
        raise BadFile(bad)
    return grants_import(rows=rows, by=oh, at=NOW, **options)


def refusal(text, oh):
    """Sentences of the bad rows."""
    with pytest.raises(BadFile) as raised:
        load(text, oh)
    assert not Project.objects.exclude(code="p26001").exists()
    return [str(row) for row in raised.value.rows]


def counts():
    return [model.objects.count() for model in (User, Project, Membership, Grant, GrantLine, LedgerEntry, Account)]


def test_projects_people_grants_and_accounts_are_made(oh):
    done = load(FILE, oh)
    assert (done.projects, done.grants, done.lines, done.people, done.members) == (2, 2, 3, 4, 4)
    project = Project.objects.get(code="steel1")
    grant = project.grants.get()
    assert (grant.application, grant.starts_at, grant.ends_at) == (None, kst(2026, 3, 1), kst(2027, 1, 1))
    assert {line.pool.code: line.granted_gpu_seconds for line in grant.lines.all()} == {
        "h100": 1200 * HOUR,
        "a100": 80 * HOUR + 30 * 60,
    }
    assert {entry.by for entry in LedgerEntry.objects.all()} == {oh}
    assert project.pi.institution.name_ko == "영일만스틸"
    assert not project.pi.has_usable_password()
    # The importer's word approves a name; it counts once it is found on the cluster.
    assert User.objects.get(cluster_username="kim").cluster_username_approved_by == oh
    usernames_found(found=["kim"], at=NOW)
    leaves = {leaf.name: leaf for leaf in desired_leaves(at=NOW)}
    assert set(leaves["steel1-h100"].people) == {"kim"}
    assert leaves["steel1-a100"].budget.gpu_minutes == 80 * 60 + 30
    assert Grant.objects.get(project__code="bio-2").ends_at == kst(2026, 10, 1)


def test_a_second_run_changes_nothing(oh):
    load(FILE, oh)
    before = counts()
    done = load(FILE, oh)
    assert (done.projects, done.lines, done.people, done.members) == (0, 0, 0, 0)
    assert counts() == before


def test_a_longer_file_adds_what_is_new(oh):
    load(FILE, oh)
    done = load(FILE + "steel1,철강 결함 검출,영일만스틸,ceo@steel.example,,h100,50,2027-01-01,2027-03-31\n", oh)
    assert (done.projects, done.grants, done.lines) == (0, 1, 1)


def test_what_was_exported_is_imported_as_it_was(oh):
    load(FILE, oh)
    GrantFactory(hours=7)  # one that follows from an application
    exported = write_rows(grants_export())
    before = counts()
    load(exported, oh)
    assert counts() == before
    assert write_rows(grants_export()) == exported
    assert "steel1,철강 결함 검출,영일만스틸,ceo@steel.example," in exported
    assert ",a100,80.5,2026-03-01,2026-12-31" in exported


def test_after_a_supplement_the_old_file_and_the_new_one_change_nothing(oh, dana):
    load(FILE, oh)
    line = GrantLine.objects.get(grant__project__code="steel1", pool__code="h100")
    change = supplement_ask(line=line, gpu_seconds=HOUR, reason="-", by=line.grant.project.pi, at=NOW)
    change_grant(change=change, by=dana, at=NOW)
    before = counts()
    load(FILE, oh)
    load(write_rows(grants_export()), oh)
    assert counts() == before


def test_who_was_removed_stays_out(oh):
    load(FILE, oh)
    kim = Membership.objects.get(email="kim@steel.example")
    member_remove(membership=kim, by=kim.project.pi, at=NOW)
    assert load(FILE, oh).members == 0
    assert not Membership.objects.filter(email="kim@steel.example", status="active").exists()


def test_people_who_are_there_keep_what_they_have(oh):
    kim = UserFactory(email="Kim@steel.example", cluster_username=None, name_ko="김철")
    load(FILE, oh)
    kim.refresh_from_db()
    assert (kim.name_ko, kim.cluster_username) == ("김철", "kim")
    assert User.objects.filter(email__iexact="kim@steel.example").count() == 1


def test_nobody_approves_their_own_name_with_a_file(oh):
    User.objects.filter(pk=oh.pk).update(cluster_username=None, cluster_username_approved_at=None)
    load(FILE.replace("kim@steel.example:kim", f"{oh.email}:oh"), User.objects.get(pk=oh.pk))
    oh.refresh_from_db()
    assert (oh.cluster_username, oh.cluster_username_approved_at, oh.cluster_username_asked_at) == ("oh", None, NOW)


def test_a_grant_that_is_over_owes_no_report(oh):
    load(f"{HEADER}\n{STEEL.replace('2026-03-01,2026-12-31', '2025-01-01,2025-12-31')}", oh)
    assert reports_overdue(User.objects.get(email="ceo@steel.example"), NOW) == []


# --- What files look like ---


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
def test_files_are_read_as_spreadsheets_write_them(encoding, oh):
    korean = "과제 코드,과제명,기관,연구책임자 이메일,참여연구원,풀,GPU 시간,시작일,종료일\r\n"
    load((korean + STEEL + "\r\n\r\n").encode(encoding), oh)
    assert Project.objects.get().title_ko == "철강 결함 검출"


def test_columns_may_stand_in_any_order_and_others_are_left_alone(oh):
    load(
        "비고,end,start,gpu_hours,pool,pi_email,institution,title,project_code\n"
        'x,2026/12/31,2026.3.1,"1,200",H100,CEO@steel.example,Yeongilman Steel,철강,steel1\n',
        oh,
    )
    assert GrantLine.objects.get().granted_gpu_seconds == 1200 * HOUR


def test_a_missing_column_is_named():
    rows, bad = read_rows(b"project_code,title\na,b\n")
    assert rows == []
    assert "line 1, pool: The column is missing." in [str(row) for row in bad]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00\x81", b'project_code,"title\n'])
def test_what_is_no_such_file_is_said(content):
    assert read_rows(content)[1]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("project_code", ""),
        ("project_code", "Steel"),
        ("project_code", "철강"),
        ("project_code", "thirteenchars"),
        ("project_code", "p26x"),
        ("project_code", "p26123456"),
        ("project_code", "x-h100"),
        ("project_code", "root"),
        ("project_code", "paic"),
        ("title", ""),
        ("institution", "없는 기관"),
        ("pi_email", "ceo"),
        ("members", "kim"),
        ("members", "kim@steel.example:Kim"),
        ("members", "kim@steel.example:root"),
        ("members", "kim@steel.example:oh"),
        ("members", "kim@steel.example:kim;lee@steel.example:kim"),
        ("pool", "b200"),
        ("gpu_hours", "0"),
        ("gpu_hours", "-5"),
        ("gpu_hours", "1.234"),
        ("gpu_hours", "많이"),
        ("start", "3월"),
        ("start", "2026-02-30"),
        ("end", "2026-02-01"),
    ],
)
def test_a_bad_cell_is_named_with_line_and_column(column, value, oh):
    oh.cluster_username = "oh"
    oh.save()
    columns = HEADER.split(",")
    cells = STEEL.split(",")
    cells[columns.index(column)] = value
    good = STEEL.replace("steel1", "good1").replace(":kim", ":good")
    found = refusal(f"{HEADER}\n{good}\n{','.join(cells)}\n", oh)
    assert any(sentence.startswith(f"line 3, {column}: ") for sentence in found), found


def test_every_bad_row_is_named_and_nothing_is_made(oh):
    text = f"{HEADER}\n{STEEL}\n{STEEL.replace('h100', 'x1')}\n{STEEL.replace('2026-03-01', 'soon')}\n"
    assert len(refusal(text, oh)) == 1  # what is malformed comes first
    text = f"{HEADER}\n{STEEL}\n{STEEL.replace('h100', 'x1')}\n{STEEL}\n{STEEL.replace('철강 결함 검출', '철강')}\n"
    found = refusal(text, oh)
    assert [sentence.partition(":")[0] for sentence in found] == ["line 3, pool", "line 4", "line 5", "line 5, title"]
    assert counts()[1:] == [0] * 6


def test_a_line_is_counted_as_an_editor_does(oh):
    text = f"{HEADER}\n{STEEL.replace('철강 결함 검출', chr(34) + '철강' + chr(10) + '결함' + chr(34))}\n\nx\n"
    assert refusal(text, oh)[0].startswith("line 5, ")


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        (",1200,", ",1300,", "supplement"),
        ("2026-12-31", "2027-01-31", "extension"),
        ("철강 결함 검출", "다른 과제", "another value"),
        ("ceo@steel.example", "boss@steel.example", "another value"),
        ("영일만스틸", "한동대학교", "another value"),
    ],
)
def test_what_is_there_is_changed_in_the_portals_own_ways(before, after, word, oh):
    load(f"{HEADER}\n{STEEL}\n", oh)
    was = counts()
    with pytest.raises(BadFile) as raised:
        load(f"{HEADER}\n{STEEL.replace(before, after)}\n", oh)
    assert word in str(raised.value.rows[0])
    assert counts() == was


def test_after_an_extension_the_old_file_says_so(oh, dana):
    load(f"{HEADER}\n{STEEL}\n", oh)
    grant = Grant.objects.get()
    until = kst(2027, 2, 28).date()
    change = extension_ask(grant=grant, until=until, reason="-", by=grant.project.pi, at=NOW)
    change_grant(change=change, by=dana, at=NOW)
    with pytest.raises(BadFile, match="1") as raised:
        load(f"{HEADER}\n{STEEL}\n", oh)
    assert "2027-02-28" in str(raised.value.rows[0])


def test_a_title_that_looks_like_a_formula_stays_text(oh):
    load(f"{HEADER}\n{STEEL.replace('철강 결함 검출', '=SUM(A1)')}\n", oh)
    exported = write_rows(grants_export())
    assert ",'=SUM(A1)," in exported
    load(exported, oh)


def test_all_of_a_large_file_in_few_queries_to_check(oh, django_assert_max_num_queries):
    rows = [f"proj{n:03d},과제 {n},한동대학교,pi{n}@handong.edu,,h100,10,2026-03-01,2026-12-31" for n in range(60)]
    text = "\n".join([HEADER, *rows])
    load(text, oh)
    with django_assert_max_num_queries(200):
        assert load(text, oh).lines == 0


# --- The command ---


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "grants.csv"
    path.write_text(FILE)
    return path


def run(*args):
    out, err = StringIO(), StringIO()
    try:
        call_command("grants", *map(str, args), stdout=out, stderr=err)
    except SystemExit as end:
        return end.code, out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def test_the_command_imports_and_exports(path, tmp_path):
    assert "2 projects, 2 grants with 3 lines, 4 people" in run("import", path)[1]
    again = tmp_path / "again.csv"
    again.write_text(run("export")[1])
    assert "0 projects, 0 grants with 0 lines, 0 people" in run("import", again)[1]


def test_checking_makes_nothing(path):
    before = counts()
    assert "To be made: 2 projects" in run("import", path, "--check")[1]
    assert counts() == before


def test_bad_rows_end_it_with_a_failure(path):
    path.write_text(FILE.replace("h100", "b200"))
    code, _out, err = run("import", path)
    assert code == 1
    assert "line 2, pool: There is no pool b200." in err
    assert "nothing was imported" in err
    assert not Project.objects.exists()


def test_somebody_answers_for_it(path, oh):
    UserFactory(roles=["operator"])
    for by in ([], ["--by", "nobody@center.example"]):
        with pytest.raises(CommandError, match="--by"):
            run("import", path, *by)
    run("import", path, "--by", "OH@center.example")
    assert {entry.by for entry in LedgerEntry.objects.all()} == {oh}


def test_new_people_are_told_only_where_asked(path, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        run("import", path, "--invite")
    assert sorted(sent.to[0] for sent in mail.outbox) == [
        "ceo@steel.example",
        "han@handong.edu",
        "kim@steel.example",
        "lee@steel.example",
    ]
    assert "/auth/password/reset/" in mail.outbox[0].body


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(CommandError, match="cannot be read"):
        run("import", tmp_path / "none.csv")

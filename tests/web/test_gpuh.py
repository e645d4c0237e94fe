"""The command gpuh, in process against the portal's own API, and as a process of its own where that matters."""

from __future__ import annotations

import ast
import importlib.util
import io
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.error import HTTPError

import pytest
import time_machine
from django.conf import settings as portal_settings
from django.core.cache import cache

from accounting import live_queue
from accounting.history.ingest import ingest
from allocations.services.tokens import token_create, token_revoke
from tests.accounting.histories import gateway, job, waiting
from tests.factories import GrantFactory, MembershipFactory, PoolFactory, ProjectFactory, UserFactory, kst

FILE = Path(portal_settings.BASE_DIR, "static", "gpuh", "gpuh.py")
AT = kst(2026, 3, 10, 12)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    cache.clear()
    for name in ("GPUH_ADDRESS", "GPUH_TOKEN", "LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "en_US.UTF-8")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def gpuh(monkeypatch, client):
    """The module, asking the portal under test instead of the network."""
    spec = importlib.util.spec_from_file_location("gpuh", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    class Opener:
        def open(self, request, timeout):
            answer = client.get(request.full_url.removeprefix("http://localhost"), headers=dict(request.header_items()))
            if answer.status_code >= 400:
                raise HTTPError(request.full_url, answer.status_code, "", answer.headers, io.BytesIO(answer.content))
            return io.BytesIO(answer.content)

    monkeypatch.setattr(module, "build_opener", lambda *handlers: Opener())
    monkeypatch.setenv("GPUH_ADDRESS", "http://localhost")
    with time_machine.travel(AT, tick=False):
        yield module


@pytest.fixture
def alice(db):
    return UserFactory(name_ko="김서연", name_en="Alice Kim", cluster_username="alice")


@pytest.fixture
def token(alice, monkeypatch):
    token, secret = token_create(name="x", days=1, by=alice, at=AT)
    monkeypatch.setenv("GPUH_TOKEN", secret)
    return token


@pytest.fixture
def project(alice):
    project = ProjectFactory(code="p26001", pi=alice, created_at=kst(2026, 3, 1))
    MembershipFactory(project=project, user=UserFactory(cluster_username="bob", name_ko="이민준"))
    GrantFactory(project=project, hours=2000, starts_at=kst(2026, 3, 1), ends_at=kst(2026, 3, 31))
    found = gateway(
        *[job(start=kst(2026, 3, 1 + n, 3), hours=8, gpus=4, user="alice") for n in range(8)],
        job(user="bob", hours=0.5, state="FAILED"),
    )
    found.waiting = [waiting(user="bob")]
    ingest(found, at=AT)
    live_queue.store(found, at=AT)
    return project


def lines(capsys):
    return capsys.readouterr().out.rstrip("\n").split("\n")


def test_balances_of_all_ones_projects(gpuh, token, project, capsys):
    upcoming = ProjectFactory(code="p26002", pi=project.pi)
    GrantFactory(project=upcoming, hours=7, hours__pool=PoolFactory(code="a100"), starts_at=kst(2026, 4, 1))
    ProjectFactory(code="p26003", pi=project.pi)
    assert gpuh.main([]) == 0
    head, h100, a100, nothing, empty, age = lines(capsys)
    assert head.split("  ")[0] == "Project" and head.endswith("Runs out")
    assert h100.split()[:4] == ["p26001", "h100", "1,743", "–"]
    assert h100.split()[5:8] == ["12", "%", "21"]
    assert a100.split()[:3] == ["p26002", "a100", "7"] and a100.endswith("opens 2026-04-01")
    assert nothing == "No GPU time has been awarded to p26003 yet." and empty == ""
    assert age == "In GPU-hours. Jobs counted up to 2026-03-10 12:00."


def test_korean_columns_stand_in_line(gpuh, token, project, capsys, monkeypatch):
    monkeypatch.setenv("LANG", "ko_KR.UTF-8")
    gpuh.main(["usage", "p26001", "--by", "person,state"])
    title, _, *table, _, age = lines(capsys)
    assert title == "p26001, 2026-02-11 ~ 2026-03-10"
    assert [line.split()[0] for line in table] == ["사용자", "alice", "bob", "합계"]
    assert "alice 김서연" in table[1] and "257.00" in table[3]
    assert len({gpuh.width(line) for line in table}) == 1
    assert age.startswith("단위: GPU시간.")


def test_jobs_with_the_reason_and_the_cure(gpuh, token, project, capsys):
    assert gpuh.main(["jobs", "p26001", "--days", "30"]) == 0
    shown = "\n".join(lines(capsys))
    assert "Ask for fewer GPUs or a shorter --time" in shown
    assert shown.count("COMPLETED") == 8 and shown.count("FAILED") == 1


def test_json_is_the_portals_answer(gpuh, token, project, capsys):
    for words, key in [
        (["--json"], "projects"),
        (["usage", "p26001", "--json"], "rows"),
        (["--json", "jobs", "p26001"], "ended"),
    ]:
        assert gpuh.main(words) == 0
        assert key in json.loads(capsys.readouterr().out)


def test_nothing_yet_is_said(gpuh, token, capsys):
    assert gpuh.main([]) == 0
    assert lines(capsys)[0] == "You are in no project yet."


def test_what_the_portal_refuses_is_told_in_its_words(gpuh, token, project, capsys):
    for words, sentence in [
        (["usage", "p26999"], "There is no such address or project"),
        (["usage", "p26001", "--by", "people"], "by: Write one or several of day"),
        (["usage", "../me"], "There is no such address or project"),
    ]:
        assert gpuh.main(words) == 1
        assert sentence in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        gpuh.main(["usage", "p26001", "--days", "none"])
    assert stop.value.code == 2


def test_without_a_valid_token_it_says_where_to_get_one(gpuh, token, capsys, monkeypatch, alice):
    token_revoke(token=token, by=alice, at=AT)
    assert gpuh.main([]) == 3
    secret = os.environ["GPUH_TOKEN"]
    told = capsys.readouterr().err
    assert "http://localhost/me/tokens/" in told and secret not in told
    for wrong in ("", "gpuh_two words", "gpuh_한글", "password"):
        monkeypatch.setenv("GPUH_TOKEN", wrong)
        assert gpuh.main([]) == 3
        assert "token" in capsys.readouterr().err


def test_login_tries_the_token_and_keeps_it_for_its_owner_alone(gpuh, token, home, capsys, monkeypatch):
    secret = os.environ["GPUH_TOKEN"]
    monkeypatch.delenv("GPUH_TOKEN")
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{secret}\n"))
    assert gpuh.main(["login"]) == 0
    told = capsys.readouterr()
    assert "김서연" in told.out or "Alice Kim" in told.out
    assert secret not in told.out + told.err
    kept = home / "gpuh"
    assert kept.stat().st_mode & 0o777 == 0o600 and list(home.iterdir()) == [kept]
    monkeypatch.delenv("GPUH_ADDRESS")
    assert gpuh.main([]) == 0
    kept.chmod(0o640)
    assert gpuh.main([]) == 1
    assert f"chmod 600 {kept}" in capsys.readouterr().err
    kept.chmod(0o600)
    kept.write_text("{")
    assert gpuh.main([]) == 1
    monkeypatch.setattr(sys, "stdin", io.StringIO("gpuh_wrong\n"))
    monkeypatch.setenv("GPUH_ADDRESS", "http://localhost")
    assert gpuh.main(["login"]) == 3
    assert kept.read_text() == "{"


def test_the_token_is_not_sent_in_the_clear(gpuh, token, capsys, monkeypatch):
    monkeypatch.setenv("GPUH_ADDRESS", "http://portal.example")
    assert gpuh.main([]) == 1
    assert "https://" in capsys.readouterr().err
    assert gpuh.checked_address("portal.example/") == "https://portal.example"


def test_every_sentence_is_there_in_korean(gpuh):
    said = {
        node.args[0].value
        for node in ast.walk(ast.parse(FILE.read_text()))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") == "say"
        and isinstance(node.args[0], ast.Constant)
    }
    assert len(said) > 25 and said <= set(gpuh.KOREAN)
    for english, korean in gpuh.KOREAN.items():
        assert english.count("%s") == korean.count("%s")


def test_the_python_of_an_old_login_node_understands_it():
    tree = ast.parse(FILE.read_text(), feature_version=(3, 6))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names - {"dataclasses", "__future__"}


# --- As a process of its own ---


def run(*words, **environment):
    found = subprocess.run(
        [sys.executable, str(FILE), *words],
        env={"GPUH_TOKEN": "gpuh_secret", "HOME": "/nonexistent", **environment},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert b"gpuh_secret" not in found.stdout + found.stderr and b"Traceback" not in found.stderr
    return found.returncode, found.stdout, found.stderr


@pytest.fixture
def elsewhere():
    """A server that leads to another address and notes who asks there, and one answer with Hangul."""
    asked = []

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers.get("Authorization")))
            if "projects" in self.path:
                self.send_response(200)
                self.end_headers()
                pool = {"pools": [], "code": "과제"}
                figures = {"read_until": None, "queue_read_at": None}
                self.wfile.write(json.dumps({"projects": [pool], "figures": figures}).encode())
            else:
                self.send_response(302)
                self.send_header("Location", "/stolen")
                self.end_headers()

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def test_a_terminal_without_hangul_and_an_address_that_leads_elsewhere(elsewhere):
    address, asked = elsewhere
    code, out, _ = run(GPUH_ADDRESS=address, LC_ALL="C", PYTHONIOENCODING="ascii")
    assert (code, out.splitlines()[0]) == (0, b"No GPU time has been awarded to ?? yet.")
    code, _, error = subprocess_login(address)
    assert code == 1 and b"is not the portal" in error
    assert not [path for path, _ in asked if path == "/stolen"]


def subprocess_login(address):
    found = subprocess.run(
        [sys.executable, str(FILE), "login"],
        env={"GPUH_ADDRESS": address, "HOME": "/nonexistent"},
        input=b"gpuh_secret\n",
        capture_output=True,
        timeout=60,
        check=False,
    )
    return found.returncode, found.stdout, found.stderr


def test_a_portal_that_cannot_be_reached():
    code, _, error = run(GPUH_ADDRESS="http://127.0.0.1:9")
    assert code == 4 and b"cannot be reached" in error

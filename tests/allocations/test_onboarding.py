"""From the agreement to the first job: the steps with their state, and a script that is complete."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest
from django.urls import reverse

from accounting.models import Job
from allocations.models import Account, CenterText, OnboardingStep
from allocations.onboarding import Code, Facts, State, checklist, job_script
from allocations.onboarding import Job as Wanted
from tests.factories import NOW, GrantLineFactory, PoolFactory, ProjectFactory

NOTHING = Facts(
    agreed=False, has_name=False, name_words="", usable=False, trouble="", ticked=frozenset(), first_job_at=None
)


def states(facts):
    return {step.code: step.state for step in checklist(facts)}


def test_the_first_thing_not_done_is_now():
    assert list(states(NOTHING).values()) == [State.NOW] + [State.LATER] * 5
    agreed = replace(NOTHING, agreed=True, has_name=True, usable=True)
    assert [code for code, state in states(agreed).items() if state is State.NOW] == [Code.KEY]
    assert states(replace(agreed, ticked=frozenset({"key", "login"})))[Code.JOB] is State.NOW


def test_who_has_run_a_job_has_done_it_all():
    ran = replace(NOTHING, agreed=True, has_name=True, first_job_at=NOW)
    assert set(states(ran).values()) == {State.DONE}


def test_what_keeps_the_cluster_from_knowing_somebody_is_said():
    step = checklist(replace(NOTHING, agreed=True, has_name=True, trouble="Refused by Slurm"))[2]
    assert (step.state, step.words) == (State.NOW, "Refused by Slurm")


@pytest.mark.parametrize("body", ["check", "train"])
def test_the_script_is_one_that_bash_reads(body):
    script = job_script(Wanted("p26001-h100", "h100", 2, 90, body))
    assert "#SBATCH --account=p26001-h100\n#SBATCH --partition=h100\n" in script
    assert "#SBATCH --gpus=2\n#SBATCH --time=01:30:00\n" in script
    assert "qos" not in script
    subprocess.run(["bash", "-n"], input=script.encode(), check=True)
    if body == "train":
        compile(script.partition("<<'PYTHON'\n")[2].partition("\nPYTHON")[0], "job", "exec")


# --- The page ---


@pytest.fixture
def page(project, alice, browser):
    return lambda **query: browser(alice).get(reverse("onboarding", args=["p26001"]), query).content.decode()


def test_a_step_is_ticked_and_taken_back(project, alice, browser, page):
    client, address = browser(alice), reverse("onboarding_step", args=["p26001"])
    for _ in range(2):
        client.post(address, {"step": "key", "done": "yes"})
    assert OnboardingStep.objects.get().user == alice
    assert "Not done after all" in page()
    client.post(address, {"step": "key", "done": "no"})
    assert not OnboardingStep.objects.exists()


def test_what_the_portal_knows_itself_is_not_ticked(project, alice, browser):
    address = reverse("onboarding_step", args=["p26001"])
    for step in ("job", "cluster", "nothing", ""):
        assert browser(alice).post(address, {"step": step, "done": "yes"}).status_code == 404


def test_known_once_the_account_is_in_force(page):
    assert "The cluster knows you" not in page()
    Account.objects.update(state="in_force", parked=False)
    assert "The cluster knows you" in page()


def test_a_job_that_ran_is_seen(project, page):
    assert "You have run a job here." not in page()
    row = {"cluster": "pohang", "job_id": 1, "display_id": "1", "account": "p26001-h100", "user": "alice"}
    row |= {"partition": "h100", "qos": "h100", "state": "COMPLETED", "gpus": 1, "cpus": 1, "exit_code": "0:0"}
    moments = dict.fromkeys(("submit", "start", "end", "first_seen_at", "last_seen_at"), NOW)
    Job.objects.create(**row, **moments, db_index=1, final=True)
    assert "You have run a job here." in page()


def test_the_centers_own_texts_stand_on_it(page):
    CenterText.objects.create(code="login_host", text_ko="ssh", text_en="ssh login.center.example", changed_at=NOW)
    assert "ssh login.center.example" in page()


def test_the_script_follows_what_is_chosen(project, page):
    GrantLineFactory(grant=project.grants.get(), pool=PoolFactory(code="a100", position=1, partitions=["a100-long"]))
    shown = page(pool="a100", gpus="4", minutes="125", body="train")
    assert "--account=p26001-a100" in shown
    assert "--partition=a100-long" in shown
    assert "--time=02:05:00" in shown
    assert "import torch" in shown


@pytest.mark.parametrize("wrong", [{"gpus": "0"}, {"gpus": "99"}, {"minutes": "-1"}, {"pool": "x"}, {"body": "x"}])
def test_what_cannot_be_is_said_and_a_small_job_stands_in(wrong, page):
    shown = page(**wrong)
    assert 'class="error' in shown or 'href="#id_' in shown
    assert "#SBATCH --gpus=1" in shown


def test_the_script_is_downloaded_as_it_is_shown(project, alice, browser):
    answer = browser(alice).get(reverse("job_script", args=["p26001"]), {"gpus": "2", "minutes": "30"})
    assert answer["Content-Disposition"] == 'attachment; filename="job.sh"'
    assert b"#SBATCH --gpus=2\n#SBATCH --time=00:30:00\n" in answer.content
    assert b"\r" not in answer.content


def test_a_project_without_a_grant_says_what_is_missing(alice, browser):
    project = ProjectFactory(pi=alice)
    page = browser(alice).get(reverse("onboarding", args=[project.code])).content.decode()
    assert "has yet to accept" in page
    assert "job.sh" not in page
    assert browser(alice).get(reverse("job_script", args=[project.code])).status_code == 404


def test_members_have_steps_of_their_own_and_strangers_none(project, bob, charlie, browser):
    assert "On the cluster you are bob." in browser(bob).get(reverse("onboarding", args=["p26001"])).content.decode()
    for name in ("onboarding", "job_script", "onboarding_step"):
        assert browser(charlie).get(reverse(name, args=["p26001"])).status_code == 404


def test_the_page_takes_few_queries(project, alice, browser, django_assert_max_num_queries):
    client = browser(alice)
    client.get(reverse("onboarding", args=["p26001"]))
    with django_assert_max_num_queries(18):
        client.get(reverse("onboarding", args=["p26001"]))

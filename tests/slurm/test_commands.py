"""The commands driver against a scripted sacctmgr: what is believed, what is tried again, what is refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from portal.slurm.commands import CommandsGateway, parse_version
from portal.slurm.errors import SlurmError, SlurmRefused, SlurmUnavailable, SlurmUnreadable
from portal.slurm.types import AddPerson, ParkAccount, SetLimit

TREE = (
    "pohang|root|||||||normal|\n"
    "pohang|portal|||root||||normal|\n"
    "pohang|p1|||portal|||gres/gpu=60|h100|h100\n"
    "pohang|p1|kim|||||gres/gpu=5|h100|h100\n"
)
# Stands before the command as a prefix would: answers reads with the tree, writes as it is told, and keeps a record.
SCRIPT = """
import pathlib, sys
folder = pathlib.Path(__file__).parent
words = sys.argv[sys.argv.index("SLURM_TIME_FORMAT=%s") + 1:]
with (folder / "said").open("a") as said:
    print(*words, file=said)
if words[1:] == ["-V"]:
    print("slurm-wlm 22.05.8")
elif "show" in words:
    text = (folder / "tree").read_text()
    asked = [word[8:].split(",") for word in words if word.startswith("account=")]
    rows = [row for row in text.splitlines(True) if not asked or row.split("|")[1] in asked[0]]
    sys.stdout.write("" if "account" in words else "".join(rows))
else:
    print((folder / "words").read_text())
    sys.exit(int((folder / "code").read_text()))
"""


@pytest.fixture
def slurm(tmp_path: Path) -> Callable[..., CommandsGateway]:
    def make(*, code: int, words: str = "", tree: str = TREE) -> CommandsGateway:
        for name, text in {"slurm.py": SCRIPT, "tree": tree, "code": str(code), "words": words}.items():
            (tmp_path / name).write_text(text)
        return CommandsGateway("pohang", "portal", [sys.executable, str(tmp_path / "slurm.py")])

    return make


def said(tmp_path: Path) -> list[str]:
    return (tmp_path / "said").read_text().splitlines()


def writes(tmp_path: Path) -> list[str]:
    return [line for line in said(tmp_path) if "modify" in line or "add" in line]


def test_a_write_that_slurm_says_it_made_but_did_not_is_tried_again_and_refused(
    slurm: Callable[..., CommandsGateway], tmp_path: Path
) -> None:
    with pytest.raises(SlurmRefused) as caught:
        slurm(code=0, words="Modified account associations...").execute(ParkAccount("p1"))
    assert caught.value.words == "Modified account associations..."
    assert (
        writes(tmp_path)
        == ["sacctmgr -i modify account where name=p1 cluster=pohang set GrpJobs=0 GrpSubmitJobs=0"] * 2
    )


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (" Nothing modified", SlurmRefused),
        ("Access/permission denied", SlurmRefused),
        ("sacctmgr: error: Sending PersistInit msg: Connection refused", SlurmUnavailable),
        ("sacctmgr: error: Problem talking to the database: Connection refused", SlurmUnavailable),
        ("Unable to contact slurm controller", SlurmUnavailable),
    ],
)
def test_a_write_that_failed_is_not_repeated_and_says_whether_to_try_later(
    slurm: Callable[..., CommandsGateway], tmp_path: Path, words: str, error: type[SlurmError]
) -> None:
    with pytest.raises(error) as caught:
        slurm(code=1, words=words).execute(ParkAccount("p1"))
    assert caught.value.words == words.strip()
    assert len(writes(tmp_path)) == 1


def test_a_write_reads_the_accounts_above_it_and_no_others(
    slurm: Callable[..., CommandsGateway], tmp_path: Path
) -> None:
    gateway = slurm(code=0, tree=TREE + "pohang|p1-h100|||p1|||gres/gpu=60|h100|h100\n")
    for _ in range(2):
        gateway.execute(SetLimit("p1-h100", 60))
    before_the_write = [line for line in said(tmp_path) if "user=" in line.split()]
    asked = [word for line in before_the_write for word in line.split() if word.startswith("account=")]
    # What hangs above is learnt from the first answer, and asked for together the second time.
    assert asked == ["account=p1-h100,portal", "account=p1", "account=p1,p1-h100,portal"]


def test_below_a_name_that_is_no_plain_word_nothing_is_written(
    slurm: Callable[..., CommandsGateway], tmp_path: Path
) -> None:
    """Behind ssh a shell reads the command."""
    gateway = slurm(code=0, tree="pohang|portal|||root||||normal|\npohang|p1|||a b; c|||gres/gpu=60|h100|h100\n")
    with pytest.raises(SlurmRefused, match="no account below"):
        gateway.execute(SetLimit("p1", 60))
    assert not writes(tmp_path)
    assert not any("; c" in line for line in said(tmp_path))


def test_an_error_about_what_is_so_already_is_no_error(slurm: Callable[..., CommandsGateway]) -> None:
    words = "Nothing new added."
    assert slurm(code=1, words=words).execute(SetLimit("p1", 60)) == words


@pytest.mark.parametrize(
    ("code", "words", "error"),
    [
        (0, "Modified accounts...", SlurmRefused),
        (1, "Nothing modified", SlurmRefused),
        (1, "Access/permission denied", SlurmRefused),
        (1, "Problem talking to the database: Connection refused", SlurmUnavailable),
    ],
)
def test_a_number_that_is_not_read_back_was_not_left(
    slurm: Callable[..., CommandsGateway], code: int, words: str, error: type[SlurmError]
) -> None:
    with pytest.raises(error) as caught:
        slurm(code=code, words=words).set_sequence(12)
    assert caught.value.words == words


@pytest.mark.parametrize("code", [1, 3, 127])
def test_nobody_is_missing_where_the_machine_cannot_tell(slurm: Callable[..., CommandsGateway], code: int) -> None:
    with pytest.raises(SlurmUnavailable):
        slurm(code=code, words="kim:x:1000:1000::/home/kim:/bin/bash").known_people(["kim", "lee"])


@pytest.mark.parametrize(("code", "words"), [(2, ""), (0, "Kim:x:1:1::/:/bin/sh"), (2, "root:x:0:0::/:/bin/sh")])
def test_only_who_was_asked_for_is_known(slurm: Callable[..., CommandsGateway], code: int, words: str) -> None:
    """A directory may fold the case, or say more than it was asked."""
    assert slurm(code=code, words=words).known_people(["kim"]) == frozenset()


def test_nobody_is_asked_for_where_there_is_nobody(slurm: Callable[..., CommandsGateway], tmp_path: Path) -> None:
    """`getent passwd` alone would list everybody."""
    assert slurm(code=0, words="root:x:0:0::/:/bin/sh").known_people(["", "-s", "Upper"]) == frozenset()
    assert not (tmp_path / "said").exists()


@pytest.mark.parametrize("words", ["", "uid=1000", "uid=1000(a b) gid=0(root)"])
def test_an_unknown_user_does_not_pass_for_one(slurm: Callable[..., CommandsGateway], words: str) -> None:
    with pytest.raises(SlurmUnreadable):
        slurm(code=0, words=words).health()


def test_nothing_is_written_where_the_tree_cannot_be_read(
    slurm: Callable[..., CommandsGateway], tmp_path: Path
) -> None:
    with pytest.raises(SlurmUnreadable):
        slurm(code=0, tree="pohang|p1|||portal|many|||h100|h100\n").execute(ParkAccount("p1"))
    assert writes(tmp_path) == []


def test_nothing_is_written_outside_the_tree(slurm: Callable[..., CommandsGateway], tmp_path: Path) -> None:
    with pytest.raises(SlurmRefused):
        slurm(code=0).execute(AddPerson("root", "kim"))
    assert writes(tmp_path) == []


def test_an_old_slurm_is_not_asked_for_a_lineage(slurm: Callable[..., CommandsGateway], tmp_path: Path) -> None:
    assert slurm(code=0).snapshot().accounts.keys() == {"portal", "p1"}
    assert "lineage" not in (tmp_path / "said").read_text()


@pytest.mark.parametrize(
    ("text", "version"), [("slurm-wlm 22.05.8", (22, 5)), ("slurm 24.11.5", (24, 11)), ("slurm 26.05.5-rc1", (26, 5))]
)
def test_the_version_is_read(text: str, version: tuple[int, int]) -> None:
    assert parse_version(text) == version


@pytest.mark.parametrize("text", ["", "slurm", "unknown option -V"])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(SlurmUnreadable):
        parse_version(text)

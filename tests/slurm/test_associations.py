"""The tree of associations meets what the recordings do not hold: loops, rows per partition, odd names."""

from __future__ import annotations

import pytest

from portal.slurm.associations import (
    FIELDS,
    LINEAGE,
    cluster_state,
    is_below,
    parse_associations,
    parse_defaults,
    parse_others,
)
from portal.slurm.errors import SlurmUnreadable


def association(**changes: str) -> str:
    names = (FIELDS + LINEAGE).split(",")
    return "|".join((dict.fromkeys(names, "") | changes)[name] for name in names)


def test_a_loop_of_parents_ends() -> None:
    assert not is_below("a", "portal", {"a": "b", "b": "a", "portal": "root"})


def test_a_person_whose_lineage_is_not_their_accounts_is_told() -> None:
    """What 24.11.5 leaves behind after a subtree was moved (slurm-facts 12.1)."""
    text = "\n".join(
        [
            association(account="root", lineage="/"),
            association(account="portal", parentname="root", lineage="/portal/"),
            association(account="p1", parentname="portal", lineage="/portal/p1/"),
            association(account="p1", user="kim", lineage="/old/p1/0-kim/"),
            association(account="p1", user="lee", lineage="/portal/p1/0-lee/"),
        ]
    )
    state = cluster_state(parse_associations(text, with_lineage=True), "portal")
    assert {user: person.lineage_ok for (_, user), person in state.people.items()} == {"kim": False, "lee": True}


def test_a_person_with_rows_per_partition_is_paused_only_where_all_are() -> None:
    rows = [
        association(account="portal", parentname="root"),
        association(account="portal", user="kim", grpjobs="0", grpsubmit="0"),
        association(account="portal", user="kim", partition="h100"),
    ]
    state = cluster_state(parse_associations("\n".join(rows), with_lineage=True), "portal")
    assert not state.people["portal", "kim"].paused


@pytest.mark.parametrize(
    ("limits", "together"), [(("5", "7"), 12), (("5", ""), None), (("", "5"), None), (("", ""), None)]
)
def test_a_person_with_rows_per_partition_has_what_they_give_together(
    limits: tuple[str, str], together: int | None
) -> None:
    rows = [association(account="portal", parentname="root", qos="h100", defaultqos="h100")]
    for partition, limit in zip(("h100", "a100"), limits, strict=True):
        tres = f"cpu=3,gres/gpu={limit}" if limit else "cpu=3"
        rows.append(association(account="portal", user="kim", partition=partition, grptresmins=tres, qos=partition))
    state = cluster_state(parse_associations("\n".join(rows), with_lineage=True), "portal")
    person = state.people["portal", "kim"]
    assert (person.gpu_minutes, person.qos) == (together, {"h100", "a100"})


def test_default_accounts_are_told_of_the_people_in_the_tree_only() -> None:
    rows = [association(account="portal", parentname="root"), association(account="other", parentname="root")]
    rows += [association(account="portal", user=user) for user in ("kim", "lee", "choi")]
    defaults = parse_defaults("None|kim|portal\nNone|two\nkim|other\nOperator|lee|other\nNone|choi|\nNone|a|b|other\n")
    state = cluster_state(parse_associations("\n".join(rows), with_lineage=True), "portal", defaults)
    assert state.defaults == {"kim": "portal", "lee": "other", "choi": ""}


def test_an_account_with_a_bar_in_its_name_does_not_shift_the_columns_of_others() -> None:
    text = "\n".join([association(account="a|b", parentname="portal"), association(account="portal")])
    assert cluster_state(parse_associations(text, with_lineage=True), "portal").accounts.keys() == {"portal"}


def test_a_limit_that_is_no_number_stops_the_reading() -> None:
    with pytest.raises(SlurmUnreadable):
        parse_associations(association(account="p1", grptresmins="gres/gpu=many"), with_lineage=True)
    with pytest.raises(SlurmUnreadable):
        parse_others("pohang|gres/gpu=many|normal||p1|root\n", "portal")

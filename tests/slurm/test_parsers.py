"""Parsers meet what the recordings do not hold: odd values, hostile names, torn rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.slurm.capacity import gpus_of_gres, node_groups, parse_nodes
from portal.slurm.config import parse_config, parse_qos
from portal.slurm.errors import SlurmUnreadable
from portal.slurm.moments import epoch, parse_minutes, parse_moment
from portal.slurm.queue import parse_queue
from portal.slurm.sacct import DELIMITER, in_window, parse_jobs
from portal.slurm.sacct import command as sacct_command
from portal.slurm.sequence import parse_sequence
from portal.slurm.sreport import command as sreport_command
from portal.slurm.sreport import parse_usage, parse_utilisation, utilisation_command
from portal.slurm.sshare import parse_json, parse_text
from portal.slurm.tres import format_tres, gpu_count, gpu_kinds, parse_tres
from portal.slurm.types import JobRecord, NodeGroup, QosConfig, UnreadableRow, Utilisation

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def job_line(**changes: str) -> str:
    values = {
        "Cluster": "pohang",
        "DBIndex": "15327587956491134976",
        "JobIDRaw": "42",
        "JobID": "42",
        "User": "kim",
        "Account": "p1-h100",
        "Partition": "h100",
        "QOS": "h100",
        "State": "COMPLETED",
        "Submit": "1795330000",
        "Eligible": "1795330000",
        "Start": "1795330010",
        "End": "1795330110",
        "AllocTRES": "billing=4,cpu=8,gres/gpu:h100=4,gres/gpu=4,mem=10M,node=1",
        "ExitCode": "0:0",
        "TimelimitRaw": "60",
    } | changes
    return DELIMITER.join(values.values())


def one_job(**changes: str) -> JobRecord | UnreadableRow:
    (row,) = parse_jobs([job_line(**changes)])
    return row


def record(**changes: str) -> JobRecord:
    row = one_job(**changes)
    assert isinstance(row, JobRecord), row
    return row


# --- resources and times ---


@given(st.dictionaries(st.sampled_from(["cpu", "gres/gpu", "gres/gpu:h100", "node"]), st.integers(0, 2**63)))
def test_resources_survive_being_written_and_read(amounts: dict[str, int]) -> None:
    assert parse_tres(format_tres(amounts)) == amounts


def test_gpus_by_kind_are_the_same_gpus_as_the_total() -> None:
    tres = parse_tres("gres/gpu:h100=4,mem=1.5G,gres/gpu=4,gres/gpumem=80G,gres/gpuutil=0")
    assert (gpu_count(tres), gpu_kinds(tres)) == (4, {"h100": 4})
    assert tres["mem"] == 3 * 1024**3 // 2


def test_gpus_without_an_untyped_total_are_added_up() -> None:
    assert gpu_count(parse_tres("gres/gpu:h100=4,gres/gpu:a100=2")) == 6


@pytest.mark.parametrize("text", ["cpu", "=4", "cpu=", "cpu=many", "cpu=4,,node=1"])
def test_what_is_no_resource_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_tres(text)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("60", 60),
        ("10:00", 10),
        ("10:01", 11),
        ("1:00:00", 60),
        ("1-00:00:00", 1440),
        ("7-12:30", 7 * 1440 + 750),
        ("2-3", 2 * 1440 + 180),
        ("UNLIMITED", None),
        ("Partition_Limit", None),
        ("NONE", None),
        ("", None),
    ],
)
def test_spans_are_whole_minutes_rounded_up(text: str, minutes: int | None) -> None:
    assert parse_minutes(text) == minutes


@pytest.mark.parametrize("text", ["soon", "1:2:3:4", "-5"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_minutes(text)


def test_words_for_no_time_are_no_time() -> None:
    assert [parse_moment(word) for word in ("Unknown", "None", "N/A", "")] == [None] * 4
    assert parse_moment("0") == datetime(1970, 1, 1, tzinfo=UTC)
    with pytest.raises(ValueError):
        parse_moment("2026-11-22T12:00:00")


def test_a_time_without_a_zone_never_reaches_slurm() -> None:
    with pytest.raises(ValueError):
        epoch(datetime(2026, 11, 22))  # noqa: DTZ001


# --- job history ---


def test_a_row_key_beyond_a_signed_integer_is_kept() -> None:
    assert record().db_index == 15327587956491134976


def test_a_name_that_holds_bars_and_slashes_is_kept() -> None:
    assert record(Account="a/b|c").account == "a/b|c"


def test_a_cancelled_job_loses_the_number_of_who_cancelled_it() -> None:
    row = record(State="CANCELLED by 1000", Start="None", AllocTRES="")
    assert (row.state, row.start, row.gpus, row.final) == ("CANCELLED", None, 0, True)


def test_a_completed_job_without_an_end_is_not_final() -> None:
    """slurmdbd shows that while it catches up after an outage (slurm-facts section 5)."""
    assert not record(End="Unknown").final


@pytest.mark.parametrize(
    "changes",
    [
        {"DBIndex": ""},
        {"JobIDRaw": "42.batch"},
        {"State": ""},
        {"Submit": "Unknown"},
        {"Start": "yesterday"},
        {"End": "99999999999999999999"},
        {"AllocTRES": "cpu"},
        {"TimelimitRaw": "soon"},
        {"User": f"kim{DELIMITER}lee"},
    ],
)
def test_a_row_that_is_not_understood_is_put_aside_with_its_reason(changes: dict[str, str]) -> None:
    row = one_job(**changes)
    assert isinstance(row, UnreadableRow)
    assert row.reason
    assert row.text == job_line(**changes)


@pytest.mark.parametrize("number", ["４２", " 42", "4_2", "-42", "+42", "42.0"])
@pytest.mark.parametrize("column", ["DBIndex", "JobIDRaw", "Start"])
def test_only_digits_are_a_number(column: str, number: str) -> None:
    assert isinstance(one_job(**{column: number}), UnreadableRow)


def test_kinds_of_gpus_are_never_more_than_the_gpus() -> None:
    mig = record(AllocTRES="cpu=8,gres/gpu=3,gres/gpu:a100_1g.5gb=2,gres/gpu:a100_2g.10gb=2")
    assert (mig.gpus, dict(mig.gpu_kinds)) == (3, {"a100_1g.5gb": 2, "a100_2g.10gb": 1})
    assert dict(record(AllocTRES="cpu=8,gres/gpu=4,gres/gpu:h100=1").gpu_kinds) == {"h100": 1}
    assert dict(record(AllocTRES="cpu=8,gres/gpu=0,gres/gpu:h100=1").gpu_kinds) == {}


def test_rows_after_a_torn_one_are_still_read() -> None:
    torn = job_line(Account="two\nlines").split("\n")
    rows = list(parse_jobs([*torn, job_line()]))
    assert [type(row) for row in rows] == [UnreadableRow, UnreadableRow, JobRecord]


@given(st.text())
def test_no_line_stops_the_history(line: str) -> None:
    assert len(list(parse_jobs([line]))) == 1


def test_a_window_holds_what_ran_or_ended_in_it() -> None:
    start, end = 1795330010, 1795330110
    row = record(Start=str(start), End=str(end))
    running = record(State="RUNNING", End="Unknown")
    never = record(State="CANCELLED", Start="None", End=str(end))

    def holds(row: JobRecord, since: int, until: int) -> bool:
        return in_window(row, datetime.fromtimestamp(since, UTC), datetime.fromtimestamp(until, UTC))

    assert holds(row, end, end + 9)
    assert not holds(row, end + 1, end + 9)
    assert holds(row, start - 9, start + 1)
    assert not holds(row, start - 9, start)
    assert holds(running, end + 1000, end + 1001)
    assert holds(never, end, end + 1)
    assert not holds(never, end - 9, end)


# --- the rest ---


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("portal-sequence-12\n", 12),
        ("portal-sequence-0\n", 0),
        ("", 0),
        ("default root account\n", 0),
        ("portal-sequence-\n", 0),
        ("portal-sequence--1\n", 0),
        ("portal-sequence-12 or so\n", 0),
        ("portal-sequence-12\nportal-sequence-13\n", 0),
        (f"portal-sequence-{10**18}\n", 0),
    ],
)
def test_the_number_left_in_slurm_is_read_or_there_is_none(text: str, number: int) -> None:
    assert parse_sequence(text) == number


def test_settings_of_qos_are_read_with_whatever_name() -> None:
    text = "cpu=4,gres/gpu=2|DenyOnLimit,NoDecay|1.500000|gres/gpu=99|night\n||1.000000||a|b\n"
    assert parse_qos(text) == (
        QosConfig("a|b", frozenset(), None),
        QosConfig("night", frozenset({"DenyOnLimit", "NoDecay"}), 2, 1.5, 99),
    )


@pytest.mark.parametrize("text", ["normal\n", "gres/gpu=many||1.0||normal\n", "||much||normal\n"])
def test_settings_of_qos_that_are_none_stop_the_reading(text: str) -> None:
    with pytest.raises(SlurmUnreadable):
        parse_qos(text)


@pytest.mark.parametrize(
    ("gres", "gpus"),
    [
        ("gpu:h100:4(S:0-1)", {"h100": 4}),
        ("gpu:4(S:0)", {"": 4}),
        ("gpu:a100_1g.5gb:7(S:0),gpu:a100:1(S:1),nvme:2", {"a100_1g.5gb": 7, "a100": 1}),
        ("(null)", {}),
        ("mygpu:h100:4", {}),
    ],
)
def test_installed_gpus_are_read_by_kind(gres: str, gpus: dict[str, int]) -> None:
    assert gpus_of_gres(gres) == gpus


def test_nodes_count_in_each_partition_and_dead_ones_only_with_what_is_idle() -> None:
    node = "NodeName={} Gres=gpu:h100:4 State={} Partitions={} CfgTRES=cpu=1 AllocTRES={} Reason=State=IDLE"
    text = "\n".join(
        [
            node.format("h1", "MIXED+PLANNED", "h100,all", "cpu=1,gres/gpu=3,gres/gpu:h100=3"),
            node.format("h2", "MIXED+DRAIN", "h100", "gres/gpu=1"),
            node.format("h3", "DOWN*", "h100", ""),
            "NodeName=c1 Gres=(null) State=IDLE Partitions=all AllocTRES=",
        ]
    )
    assert node_groups(parse_nodes(text)) == [
        NodeGroup("all", "", nodes=1, gpus=0, gpus_in_use=0, gpus_down=0),
        NodeGroup("all", "h100", nodes=1, gpus=4, gpus_in_use=3, gpus_down=0, also_in=("h100",)),
        NodeGroup("h100", "h100", nodes=3, gpus=12, gpus_in_use=4, gpus_down=3 + 4, also_in=("all",)),
    ]


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_queue, "7\x1fkim"),
        (parse_nodes, "NodeName=h1 Gres=gpu:h100:4"),
        (parse_nodes, "NodeName=h1 Gres=gpu:h100:4 State=IDLE Partitions=h100 AllocTRES=gres/gpu=many"),
        (parse_usage, "p1|kim"),
        (parse_usage, "p1|kim|gres/gpu|many"),
    ],
)
def test_half_an_answer_is_no_answer(parse: Callable[[str], object], text: str) -> None:
    with pytest.raises(SlurmUnreadable):
        parse(text)


def test_a_configuration_without_what_the_portal_depends_on_is_refused() -> None:
    with pytest.raises(SlurmUnreadable):
        parse_config("ClusterName = pohang", "", ())


@pytest.mark.parametrize("text", ["", "{}", '{"shares": {"shares": [{"name": "p1"}]}}', "[]"])
def test_counters_of_another_shape_are_refused(text: str) -> None:
    with pytest.raises(SlurmUnreadable):
        parse_json(text, {"p1"})


def test_a_counter_that_is_no_number_is_refused() -> None:
    with pytest.raises(SlurmUnreadable):
        parse_text("p1||gres/gpu=many||", {"p1"})


@pytest.mark.parametrize("minutes", [1, 59])
def test_sreport_is_asked_for_whole_hours_only(minutes: int) -> None:
    with pytest.raises(ValueError):
        sreport_command("pohang", NOON, NOON + timedelta(minutes=minutes))


def test_the_window_of_sacct_is_never_narrower_than_what_is_asked() -> None:
    half = NOON + timedelta(milliseconds=500)
    words = sacct_command("pohang", half, half)
    seconds = int(NOON.timestamp())
    assert words[words.index("-S") + 1] == f"uts{seconds}"
    assert words[words.index("-E") + 1] == f"uts{seconds + 1}"


def test_sreport_is_asked_in_utc() -> None:
    seoul = NOON.astimezone(tz=None)
    assert sreport_command("pohang", seoul, seoul + timedelta(hours=1))[-3:-1] == (
        "start=2026-11-22T12:00",
        "end=2026-11-22T13:00",
    )


def test_utilisation_is_asked_of_all_gpus_and_each_kind() -> None:
    words = utilisation_command("pohang", NOON, NOON + timedelta(hours=24), {"h100", "a100"})
    assert words[words.index("-T") + 1] == "gres/gpu,gres/gpu:a100,gres/gpu:h100"
    with pytest.raises(ValueError):
        utilisation_command("pohang", NOON, NOON + timedelta(minutes=1), [])


def test_what_is_planned_to_be_down_is_what_the_other_columns_leave() -> None:
    assert parse_utilisation("gres/gpu|50|28|151|259") == {"": Utilisation(259, 50, 28, 30)}
    assert parse_utilisation("") == {}


def test_all_gpus_are_the_sum_of_their_kinds_unless_some_have_none() -> None:
    kinds = "gres/gpu:h100|36|108|0|144\ngres/gpu:a100|0|0|144|144\n"
    assert parse_utilisation("gres/gpu|36|144|108|288\n" + kinds)[""] == Utilisation(288, 36, 108, 0)
    assert parse_utilisation("gres/gpu|36|144|208|388\n" + kinds)[""] == Utilisation(388, 36, 144, 0)
    assert parse_utilisation(kinds)[""].installed == 288


@pytest.mark.parametrize("text", ["gres/gpu|1|2|3", "gres/gpu|1|2|3|many", "gres/gpu", "cpu|1|2|3|4|5"])
def test_utilisation_of_another_shape_is_refused(text: str) -> None:
    with pytest.raises(SlurmUnreadable):
        parse_utilisation(text)

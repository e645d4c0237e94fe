"""Who reviews what: never a conflict, as many reviews as possible, even loads, matching fields."""

from __future__ import annotations

from itertools import combinations, product

from hypothesis import given, settings
from hypothesis import strategies as st

from allocations.assignment import Candidate, Plan, Task, assign


@st.composite
def problems(draw, most_tasks=8, most_people=7):
    people = draw(st.integers(1, most_people))
    words = st.frozensets(st.sampled_from("abc"), max_size=2)
    candidates = [
        Candidate(pk, draw(st.integers(0, 2)), draw(st.integers(0, 6)), draw(words)) for pk in range(1, people + 1)
    ]
    tasks = [
        Task(
            100 + n, draw(st.integers(0, 3)), draw(st.frozensets(st.integers(1, people), max_size=people)), draw(words)
        )
        for n in range(draw(st.integers(0, most_tasks)))
    ]
    return tasks, candidates


def most_reviews(tasks, candidates):
    """Maximum flow from applications to reviewers by augmenting paths on a plain residual graph."""
    capacity = {}
    for task in tasks:
        capacity["source", task.pk] = task.needed
        capacity |= {(task.pk, person.pk): 1 for person in candidates if person.pk not in task.barred}
    capacity |= {(person.pk, "sink"): person.room for person in candidates}
    flow = 0
    while path := _path(capacity):
        for one, other in path:
            capacity[one, other] -= 1
            capacity[other, one] = capacity.get((other, one), 0) + 1
        flow += 1
    return flow


def _path(capacity):
    came_from, waiting = {"source": None}, ["source"]
    while waiting:
        node = waiting.pop()
        for (one, other), left in capacity.items():
            if one == node and left and other not in came_from:
                came_from[other] = node
                waiting.append(other)
    if "sink" not in came_from:
        return None
    edges, node = [], "sink"
    while came_from[node] is not None:
        edges.append((came_from[node], node))
        node = came_from[node]
    return edges


def least_squares(tasks, candidates, placed):
    """The smallest sum of squared loads of all assignments that fill as many reviews of each task as `placed` does."""
    options = [
        list(combinations([person.pk for person in candidates if person.pk not in task.barred], placed[task.pk]))
        for task in tasks
    ]
    best = None
    for choice in product(*options):
        new = [sum(person.pk in chosen for chosen in choice) for person in candidates]
        if all(count <= person.room for count, person in zip(new, candidates, strict=True)):
            squares = sum((person.load + count) ** 2 for count, person in zip(new, candidates, strict=True))
            best = squares if best is None else min(best, squares)
    return best


@given(problems())
@settings(max_examples=300)
def test_nobody_reviews_with_a_conflict_twice_or_beyond_what_they_take(problem):
    tasks, candidates = problem
    plan = assign(tasks, candidates)
    given_to = dict.fromkeys((person.pk for person in candidates), 0)
    for task in tasks:
        chosen = plan.assigned[task.pk]
        assert len(set(chosen)) == len(chosen) == task.needed - plan.lacking.get(task.pk, 0)
        assert not set(chosen) & task.barred
        for person in chosen:
            given_to[person] += 1
    assert all(given_to[person.pk] <= person.room for person in candidates)
    assert plan.loads == {person.pk: person.load + given_to[person.pk] for person in candidates}


@given(problems())
@settings(max_examples=300)
def test_no_other_assignment_fills_more(problem):
    tasks, candidates = problem
    plan = assign(tasks, candidates)
    assert sum(len(chosen) for chosen in plan.assigned.values()) == most_reviews(tasks, candidates)


@given(problems(most_tasks=4, most_people=4))
@settings(max_examples=200, deadline=None)
def test_no_other_assignment_has_more_even_loads(problem):
    tasks, candidates = problem
    plan = assign(tasks, candidates)
    placed = {task.pk: len(plan.assigned[task.pk]) for task in tasks}
    assert sum(load**2 for load in plan.loads.values()) == least_squares(tasks, candidates, placed)


@given(problems(), st.randoms())
def test_the_order_of_the_input_does_not_matter(problem, random):
    tasks, candidates = problem
    plan = assign(tasks, candidates)
    random.shuffle(tasks)
    random.shuffle(candidates)
    assert assign(tasks, candidates) == plan


def test_without_conflicts_loads_differ_by_at_most_one():
    plan = assign([Task(n, 3) for n in range(50)], [Candidate(n) for n in range(100, 107)])
    assert set(plan.loads.values()) == {21, 22}
    assert plan.lacking == {}


def test_present_loads_are_evened_out():
    plan = assign([Task(1, 1), Task(2, 1)], [Candidate(10, load=5), Candidate(11), Candidate(12, load=1)])
    assert plan.loads == {10: 5, 11: 1, 12: 2} or plan.loads == {10: 5, 11: 2, 12: 1}


def test_among_equal_loads_fields_match():
    steel, cells = frozenset({"steel"}), frozenset({"batteries"})
    tasks = [Task(n, 1, keywords=steel if n % 2 else cells) for n in range(10)]
    plan = assign(tasks, [Candidate(100, keywords=cells), Candidate(101, keywords=steel)])
    assert all(plan.assigned[n] == (101 if n % 2 else 100,) for n in range(10))


def test_a_chain_of_conflicts_is_worked_around():
    """Whoever can only be reviewed by one person gets them, however the others were placed before."""
    tasks = [Task(1, 1, frozenset({12})), Task(2, 1, frozenset({11, 12})), Task(3, 1, frozenset({10}))]
    plan = assign(tasks, [Candidate(10, room=1), Candidate(11, room=1), Candidate(12, room=1)])
    assert plan == Plan({1: (11,), 2: (10,), 3: (12,)}, {}, {10: 1, 11: 1, 12: 1})


def test_where_reviewers_are_too_few_every_application_lacks_evenly():
    plan = assign([Task(n, 2) for n in range(4)], [Candidate(100, room=3), Candidate(101, room=3)])
    assert sorted(plan.lacking.values()) == [1, 1]
    assert all(len(chosen) >= 1 for chosen in plan.assigned.values())


def test_nobody_to_ask_is_no_error():
    assert assign([Task(1, 2)], []) == Plan({1: ()}, {1: 2}, {})
    assert assign([], [Candidate(1)]) == Plan({}, {}, {1: 0})

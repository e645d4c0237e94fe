"""Who reviews what: needs met as far as conflicts and loads allow, loads even, fields matching. Pure and deterministic.

Applications and reviewers form a bipartite graph; a barred pair has no edge. Needs are met by augmenting paths, so that
no other assignment meets more. Loads are evened by moving reviews along alternating paths from a loaded reviewer to one
with at least two fewer until there is none, which is optimal (Harvey, Ladner, Lovász, Tamir: Semi-matchings for
bipartite graphs and load balancing, 2003). Then reviews are swapped while fields match better, loads staying as even.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Task:
    """An application that lacks `needed` reviews; `barred` may not give them: conflicts, or who has been asked."""

    pk: int
    needed: int
    barred: frozenset[int] = frozenset()
    keywords: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A reviewer with `load` reviews already, who takes `room` more at most."""

    pk: int
    load: int = 0
    room: int = 1_000_000
    keywords: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Plan:
    """Reviewers by application, both by pk; how many reviews are lacking still; every reviewer's load then."""

    assigned: dict[int, tuple[int, ...]]
    lacking: dict[int, int]
    loads: dict[int, int]


def assign(tasks: Iterable[Task], candidates: Iterable[Candidate]) -> Plan:
    """The plan described above. The same input gives the same plan, in whatever order it comes."""
    work = _Work(sorted(tasks, key=lambda task: task.pk), sorted(candidates, key=lambda person: person.pk))
    work.fill()
    work.even()
    work.match()
    return Plan(
        assigned={task: tuple(sorted(people)) for task, people in work.of_task.items()},
        lacking={task.pk: lack for task in work.tasks.values() if (lack := task.needed - len(work.of_task[task.pk]))},
        loads=work.load,
    )


def keywords_in_common(one: frozenset[str], other: frozenset[str]) -> int:
    return len(one & other)


class _Work:
    """The assignment as it grows. `_reach` walks alternating paths; everything else says where to."""

    def __init__(self, tasks: list[Task], candidates: list[Candidate]) -> None:
        self.tasks = {task.pk: task for task in tasks}
        self.people = {person.pk: person for person in candidates}
        self.open_to = {task.pk: [person.pk for person in candidates if person.pk not in task.barred] for task in tasks}
        self.of_task: dict[int, set[int]] = {task.pk: set() for task in tasks}
        self.of_person: dict[int, set[int]] = {person.pk: set() for person in candidates}
        self.load = {person.pk: person.load for person in candidates}
        self.fit = {
            (task.pk, person.pk): keywords_in_common(task.keywords, person.keywords)
            for task in tasks
            for person in candidates
        }

    def fill(self) -> None:
        """Round by round, so that where reviews are lacking they are lacking evenly; who has the fewest to choose from
        comes first."""
        order = sorted(self.tasks, key=lambda pk: (len(self.open_to[pk]), pk))
        for round_ in range(max((task.needed for task in self.tasks.values()), default=0)):
            for pk in order:
                if round_ < self.tasks[pk].needed:
                    self._add_one(pk)

    def _add_one(self, task: int) -> None:
        free = [person for person in self.open_to[task] if person not in self.of_task[task] and self._has_room(person)]
        if free:
            self._give(task, min(free, key=lambda person: (self.load[person], -self.fit[task, person], person)))
        else:
            self._augment([task], lambda person: self._has_room(person))

    def even(self) -> None:
        """Loads differ by more than one only where no path of reviews could be moved."""
        moved = True
        while moved:
            moved = False
            for person in sorted(self.people, key=lambda pk: (-self.load[pk], pk)):
                moved = self._relieve(person) or moved

    def _relieve(self, person: int) -> bool:
        """Move one review of the person's, along a path, to somebody with at least two fewer."""
        most = self.load[person] - 2
        for task in sorted(self.of_person[person]):
            self._take(task, person)
            if self._augment([task], lambda other: self._has_room(other) and self.load[other] <= most):
                return True
            self._give(task, person)
        return False

    def _augment(self, starts: list[int], may_end: Callable[[int], bool]) -> bool:
        """Give one of the tasks another reviewer, who ends an alternating path: each on the way hands one of theirs on.

        Among the shortest paths the one that ends with the lowest load is taken.
        """
        came_from: dict[int, int] = {}  # reviewer -> the task they take over
        handed_on: dict[int, int] = dict.fromkeys(starts, 0)  # task -> the reviewer who hands it on
        waiting = deque(starts)
        while waiting:
            ends: list[int] = []
            for _count in range(len(waiting)):
                task = waiting.popleft()
                for person in self.open_to[task]:
                    if person in came_from or person in self.of_task[task]:
                        continue
                    came_from[person] = task
                    if may_end(person):
                        ends.append(person)
                    for other in sorted(self.of_person[person] - handed_on.keys()):
                        handed_on[other] = person
                        waiting.append(other)
            if ends:
                self._shift(
                    min(ends, key=lambda person: (self.load[person], person)), came_from, handed_on, set(starts)
                )
                return True
        return False

    def _shift(self, person: int, came_from: dict[int, int], handed_on: dict[int, int], starts: set[int]) -> None:
        while True:
            task = came_from[person]
            self._give(task, person)
            if task in starts:
                return
            person = handed_on[task]
            self._take(task, person)

    def match(self) -> None:
        """Swap two reviewers' reviews, or move one to somebody with one fewer, while keywords match better."""
        better = True
        while better:
            better = False
            for task in self.tasks:
                for person in sorted(self.of_task[task]):
                    better = self._move(task, person) or self._swap(task, person) or better

    def _move(self, task: int, person: int) -> bool:
        """The loads trade places, so they stay as even as they were."""
        to = [
            other
            for other in self.open_to[task]
            if self.load[other] == self.load[person] - 1
            and other not in self.of_task[task]
            and self._has_room(other)
            and self.fit[task, other] > self.fit[task, person]
        ]
        if not to:
            return False
        best = max(to, key=lambda other: (self.fit[task, other], -other))
        self._take(task, person)
        self._give(task, best)
        return True

    def _swap(self, task: int, person: int) -> bool:
        best, gain = None, 0
        for other in self.open_to[task]:
            if other in self.of_task[task]:
                continue
            for theirs in self.of_person[other]:
                if person in self.of_task[theirs] or person in self.tasks[theirs].barred:
                    continue
                won = (
                    self.fit[task, other] + self.fit[theirs, person] - self.fit[task, person] - self.fit[theirs, other]
                )
                if won > gain or (won == gain > 0 and best is not None and (other, theirs) < best):
                    best, gain = (other, theirs), won
        if best is None:
            return False
        other, theirs = best
        self._take(task, person)
        self._take(theirs, other)
        self._give(task, other)
        self._give(theirs, person)
        return True

    def _has_room(self, person: int) -> bool:
        return len(self.of_person[person]) < self.people[person].room

    def _give(self, task: int, person: int) -> None:
        self.of_task[task].add(person)
        self.of_person[person].add(task)
        self.load[person] += 1

    def _take(self, task: int, person: int) -> None:
        self.of_task[task].discard(person)
        self.of_person[person].discard(task)
        self.load[person] -= 1

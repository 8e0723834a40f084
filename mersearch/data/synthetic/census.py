"""Who a database is of, and who has which clips: drawn anew for any number of people, or at the published size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from mersearch import seeds
from mersearch.data.synthetic import population
from mersearch.data.synthetic.plan import Order


@dataclass(frozen=True, slots=True)
class Census:
    """The people and clips of a real database, and the law by which others are drawn.

    Attributes:
        layout: whose; a part of every seed.
        counts: clips per class in the published label file.
        subject: number of a person → name.
        numbers: the people of the published label file.
        scored: classes that reach two people.
        rare: classes that are there as soon as there are four people.
        core: in the published size, everybody but those of `known` has a clip of one of these.
        known: in the published size, what certain people have, in the order of their clips: who is in no label set
            that drops some classes. Everything else about who has what is invented.
        mean: clips per person.
        spread: standard deviation of its logarithm.
        most: largest number.
        habit: how unevenly a person is given to the classes; small is more uneven.
    """

    layout: str
    counts: Mapping[str, int]
    subject: Callable[[int], str]
    numbers: tuple[int, ...]
    scored: tuple[str, ...]
    core: tuple[str, ...]
    mean: float
    spread: float
    most: int
    habit: float = 0.7
    rare: tuple[str, ...] = ()
    known: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def people(self, count: int) -> list[str]:
        """Names of `count` people: those of the database, then new numbers."""
        more = range(self.numbers[-1] + 1, self.numbers[-1] + 1 + max(0, count - len(self.numbers)))
        return [self.subject(number) for number in (*self.numbers, *more)[:count]]

    def given(self, order: Order) -> dict[str, list[str]]:
        """Person → classes of their clips, in the order of the clips."""
        return self._published(order.seed) if order.full else self._drawn(order)

    def _drawn(self, order: Order) -> dict[str, list[str]]:
        rng = seeds.generator("synthetic", self.layout, "population", order.seed)
        sizes = population.subject_sizes(
            order.subjects, order.clips, mean=self.mean, spread=self.spread, most=self.most, rng=rng
        )
        least = dict.fromkeys(self.scored, 2)
        if order.subjects >= 4:
            least |= dict.fromkeys(self.rare, 1)
        classes = population.class_sizes(self.counts, sum(sizes), least)
        given = population.assign(sizes, classes, self.scored, habit=self.habit, rng=rng)
        return dict(zip(self.people(order.subjects), given, strict=True))

    def _published(self, seed: int) -> dict[str, list[str]]:
        rng = seeds.generator("synthetic", self.layout, "census", seed)
        fixed = {who: [name for name, n in has.items() for _ in range(n)] for who, has in self.known.items()}
        left = {name: n - sum(has.count(name) for has in fixed.values()) for name, n in self.counts.items()}
        people = self.people(len(self.numbers))
        others = [who for who in people if who not in fixed]
        sizes = population.subject_sizes(
            len(others), sum(left.values()), mean=self.mean, spread=self.spread, most=self.most, rng=rng
        )
        pool = np.array([name for name in self.core for _ in range(left[name])])
        first = [str(name) for name in rng.permutation(pool)[: len(others)]]
        left = {name: n - first.count(name) for name, n in left.items()}
        rest = population.assign([size - 1 for size in sizes], left, (), habit=self.habit, rng=rng)
        drawn = {who: [one, *more] for who, one, more in zip(others, first, rest, strict=True)}
        return {who: {**fixed, **drawn}[who] for who in people}

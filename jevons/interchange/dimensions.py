"""Subscript ranges of a model file: labels, sub-ranges, copies and mappings between them."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from jevons.errors import nearest

Binding = Mapping[str, str]
"""Canonical name of a range (with ``!`` where a function runs over it) to the canonical label it stands for."""

MOST_ELEMENTS = 200_000
"""Elements of one model; one of that size takes minutes to build."""


class SubscriptMistake(Exception):
    """Subscripts that do not resolve; the caller adds the variable."""


def canonical(name: str) -> str:
    """A name without what Vensim and XMILE ignore: case, quotes, kind and number of blanks and underscores."""
    text = name.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1].strip()
    return re.sub(r"[\s_]+", "_", text.replace("\\n", " ")).lower()


class Dimensions:
    """The subscript ranges of one model.

    Parameters
    ----------
    ranges : sequence of pysd AbstractSubscriptRange
    read_labels : callable
        Gives the labels of a range that a file holds.
    listed : mapping
        For ranges that map element by element, what stands for each element: a label or a range of the other.
    """

    def __init__(
        self,
        ranges: Sequence[Any],
        read_labels: Callable[[Any], Sequence[str]] | None = None,
        listed: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
    ) -> None:
        self.listed = {
            canonical(name): {canonical(to): tuple(map(canonical, entries)) for to, entries in targets.items()}
            for name, targets in (listed or {}).items()
        }
        self.labels: dict[str, tuple[str, ...]] = {}
        self.names: dict[str, str] = {}
        self._widest: dict[str, str] = {}
        self.mappings: dict[str, set[str]] = {}
        copies: dict[str, str] = {}
        for each in ranges:
            key = canonical(each.name)
            self.names[key] = " ".join(each.name.strip('"').split())
            self.mappings[key] = {canonical(m) for m in each.mapping}
            if isinstance(each.subscripts, str):
                copies[key] = canonical(each.subscripts)
            elif isinstance(each.subscripts, dict):
                if read_labels is None:
                    raise SubscriptMistake(f"range {each.name!r} is read from a file, which is not given")
                self.labels[key] = self._named(read_labels(each.subscripts))
            else:
                self.labels[key] = self._named(each.subscripts)
        for key, original in copies.items():
            seen = {key}
            while original in copies and original not in seen:
                seen.add(original)
                original = copies[original]
            if original in copies:
                raise SubscriptMistake(f"range {self.names[key]!r} copies itself")
            if original not in self.labels:
                raise SubscriptMistake(
                    f"range {self.names[key]!r} copies {original!r}, which is not defined{self.hint(original)}"
                )
            self.labels[key] = self.labels[original]
        flat: dict[str, tuple[str, ...]] = {}
        for key in self.labels:
            self._flatten(key, flat, ())
        self.labels = {key: flat[key] for key in self.labels}
        for key in sorted(self.labels, key=lambda k: -len(self.labels[k])):
            for label in self.labels[key]:
                self._widest.setdefault(label, key)

    def _named(self, labels: Iterable[str]) -> tuple[str, ...]:
        result = []
        for label in labels:
            key = canonical(label)
            self.names.setdefault(key, " ".join(str(label).strip().strip('"').split()))
            result.append(key)
        return tuple(result)

    def _flatten(self, key: str, flat: dict[str, tuple[str, ...]], path: tuple[str, ...]) -> tuple[str, ...]:
        """Labels of a range; ranges that list other ranges hold their labels."""
        if key in path:
            raise SubscriptMistake(f"range {self.names[key]!r} contains itself")
        if key not in flat:
            parts = [self._flatten(s, flat, (*path, key)) if s in self.labels else (s,) for s in self.labels[key]]
            if sum(map(len, parts)) > MOST_ELEMENTS:
                raise SubscriptMistake(f"range {self.names[key]!r} has more than {MOST_ELEMENTS:,} elements")
            found = tuple(itertools.chain.from_iterable(parts))
            twice = next((label for label, count in Counter(found).items() if count > 1), None)
            if twice is not None:
                raise SubscriptMistake(f"range {self.names[key]!r} holds {self.names[twice]!r} twice")
            flat[key] = found
        return flat[key]

    def is_range(self, name: str) -> bool:
        return name in self.labels

    def is_label(self, name: str) -> bool:
        return name in self._widest

    def range_of(self, label: str) -> str:
        """The widest range that holds a label, the first of them."""
        return self._widest[label]

    def hint(self, subscript: str) -> str:
        """The label or range nearest to a misspelt one, as the file writes it."""
        return nearest(subscript, [self.names[s] for s in (*self.labels, *self._widest)])

    def number(self, name: str, binding: Binding) -> int | None:
        """Position (from 1) of a label, or of what a range stands for, in its widest range; None for other names."""
        label: str | None = name if self.is_label(name) else None
        if self.is_range(name):
            try:
                label, _ = self.resolve(name, binding)
            except SubscriptMistake:
                label = None
        return None if label is None else self.labels[self.range_of(label)].index(label) + 1

    def combinations(self, subscripts: Sequence[str], exceptions: Sequence[Sequence[str]] = ()) -> Iterator[Binding]:
        """Every binding of the subscripts of a definition (canonical), those excepted left out."""
        choices = [self.labels[s] if self.is_range(s) else (s,) for s in subscripts]
        for i, s in enumerate(subscripts):
            if not self.is_range(s) and not self.is_label(s):
                raise SubscriptMistake(f"subscript {s!r} is not defined{self.hint(s)}")
            if s in subscripts[:i] and self.is_range(s):
                raise SubscriptMistake(f"range {self.names[s]!r} stands twice in one definition")
        size = 1
        for choice in choices:
            size *= len(choice)
        if size > MOST_ELEMENTS:
            raise SubscriptMistake(f"{size:,} elements, at most {MOST_ELEMENTS:,} are translated")
        for s in itertools.chain.from_iterable(exceptions):
            if not self.is_range(s) and not self.is_label(s):
                raise SubscriptMistake(f"subscript {s!r} after :EXCEPT: is not defined{self.hint(s)}")
        barred = [tuple(self.labels.get(s, (s,)) for s in group) for group in exceptions]
        for labels in itertools.product(*choices):
            excepted = any(all(a in b for a, b in zip(labels, group, strict=False)) for group in barred)
            if not excepted:
                yield dict(zip(subscripts, labels, strict=True))

    def resolve(self, subscript: str, binding: Binding, taken: frozenset[str] = frozenset()) -> tuple[str, str]:
        """The label that a subscript of a reference stands for, and the range of `binding` that gave it.

        A label stands for itself; a range for what it is bound to; else for the label that a bound range maps to, or
        shares with it.
        """
        s = canonical(subscript)
        if s in binding:
            return binding[s], s
        if s.endswith("!"):
            raise SubscriptMistake(f"`{subscript}` outside of a function over a range, for example SUM")
        if not self.is_range(s):
            if self.is_label(s):
                return s, ""
            raise SubscriptMistake(f"subscript {subscript!r} is not defined{self.hint(s)}")
        for order in (self._mapped, self._shared):
            for given, label in binding.items():
                if given in taken or not given:
                    continue
                found = order(s, given.removesuffix("!"), label)
                if found is not None:
                    return found, given
        if len(self.labels[s]) == 1:
            return self.labels[s][0], ""
        known = ", ".join(self.names[b.removesuffix("!")] for b in binding) or "none"
        raise SubscriptMistake(f"range {self.names[s]!r} is not among the subscripts of the left side ({known})")

    def _mapped(self, wanted: str, given: str, label: str) -> str | None:
        """The label at the same place, where one of the two ranges maps to the other (or to a range around it)."""
        if not self.is_range(given):
            return None
        for target, entries in self.listed.get(wanted, {}).items():
            for i, entry in enumerate(entries):
                if target in self.labels and label in self.labels.get(entry, (entry,)):
                    return self.labels[wanted][i]
        back = self.listed.get(given, {}).get(wanted)
        if back is not None:
            entry = back[self.labels[given].index(label)]
            return entry if entry in self.labels[wanted] else None
        for target in self.mappings.get(wanted, ()):
            around = target in self.labels and label in self.labels[target]
            if around and len(self.labels[target]) == len(self.labels[wanted]):
                return self.labels[wanted][self.labels[target].index(label)]
        for target in self.mappings.get(given, ()):
            around = target == wanted or (
                target in self.labels and set(self.labels[wanted]) <= set(self.labels[target])
            )
            if around and target in self.labels and len(self.labels[target]) == len(self.labels[given]):
                found = self.labels[target][self.labels[given].index(label)]
                return found if found in self.labels[wanted] else None
        return None

    def _shared(self, wanted: str, given: str, label: str) -> str | None:
        return label if label in self.labels[wanted] else None

    def label_names(self, labels: Iterable[str]) -> str:
        """Labels as a column of results writes them: ``A,B``."""
        return ",".join(self.names[label] for label in labels)

"""Stocks and flows as chains: what material connects, in its order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from jevons.interchange.writers.expanded import Variable


@dataclass
class Chain:
    """Stocks connected by flows, in the order of the material, and their flows with both ends."""

    stocks: list[str]
    flows: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)


def find_chains(variables: Sequence[Variable]) -> list[Chain]:
    """Groups of stocks that flows connect."""
    stocks = {v.key: v for v in variables if v.kind == "stock"}
    ends: dict[str, list[str | None]] = {v.key: [None, None] for v in variables if v.kind == "flow"}
    for stock in stocks.values():
        for key in stock.inflows:
            ends[key][1] = stock.key
        for key in stock.outflows:
            ends[key][0] = stock.key
    head = {key: key for key in stocks}

    def find(key: str) -> str:
        while head[key] != key:
            key = head[key]
        return key

    for source, target in ends.values():
        if source is not None and target is not None:
            head[find(target)] = find(source)
    groups: dict[str, Chain] = {}
    for key in stocks:
        groups.setdefault(find(key), Chain([])).stocks.append(key)
    for key, (source, target) in ends.items():
        groups[find(source or target or "")].flows[key] = (source, target)
    for chain in groups.values():
        chain.stocks = _downstream(chain)
    return list(groups.values())


def _downstream(chain: Chain) -> list[str]:
    """Stocks in the order of the material, each where few pipes have to pass another stock."""
    before: dict[str, set[str]] = {key: set() for key in chain.stocks}
    for source, target in chain.flows.values():
        if source is not None and target is not None:
            before[target].add(source)
    order: list[str] = []
    while len(order) < len(chain.stocks):
        left = [key for key in chain.stocks if key not in order]
        free = [key for key in left if not before[key] - set(order)] or left
        near = [key for key in free if order and order[-1] in before[key]]
        order.append((near or free)[0])
    return order

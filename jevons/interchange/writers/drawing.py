"""Draws one page of a diagram on a grid of cells."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from jevons.interchange.writers.chains import Chain
from jevons.interchange.writers.expanded import Variable
from jevons.interchange.writers.shapes import (
    CHARACTER_WIDTH,
    LINE_HEIGHT,
    MARGIN,
    Arrow,
    Box,
    Floats,
    Page,
    Pipe,
    arc,
    broken,
)

Cell = tuple[int, int]

CELL_WIDTH, CELL_HEIGHT = 132, 84
STOCK_WIDTH, STOCK_HEIGHT = 88, 44
LABEL_CHARACTERS, STOCK_CHARACTERS = 18, 13
MOST_LINES = 4  # of a label; longer names have wider cells
SYMBOL = 9  # radius of an auxiliary or a valve
PIPE_CELLS = 2  # cells between two stocks of a chain
BENDS = (0, 18, -18, 36, -36, 54, -54)  # degrees between an arrow's start and its chord
SWEEPS = 3
MOST_IMPROVED = 150  # variables on a page; beyond that places are not improved
MOST_PLACED = 500  # beyond that they stand in rows


class Drawing:
    """Draws one page on a grid of cells."""

    def __init__(
        self,
        sector: str,
        inside: Sequence[str],
        chains: Sequence[Chain],
        variables: Mapping[str, Variable],
        links: Mapping[tuple[str, str], bool],
        names: Mapping[str, str],
    ) -> None:
        self.sector = sector
        self.chains = chains
        self.variables = variables
        self.names = names
        here = set(inside)
        self.links = {pair: initial for pair, initial in links.items() if pair[1] in here}
        self.ghosts = [k for k in dict.fromkeys(used for used, _ in self.links) if k not in here]
        drawn = {key for chain in chains for key in (*chain.stocks, *chain.flows)}
        self.free = [key for key in inside if key not in drawn] + self.ghosts
        self.neighbours: dict[str, list[str]] = {key: [] for key in (*inside, *self.ghosts)}
        for used, user in self.links:
            self.neighbours[used].append(user)
            self.neighbours[user].append(used)
        longest = max((len(names[key]) for key in (*inside, *self.ghosts)), default=0)
        self.label_characters = max(LABEL_CHARACTERS, math.ceil(1.25 * longest / MOST_LINES))
        self.cell_width = max(CELL_WIDTH, self.label_characters * CHARACTER_WIDTH + 20)
        self.boxes: list[Box] = []
        self.pipes: list[Pipe] = []
        self.box_of: dict[str, Box] = {}
        self.taken: set[Cell] = set()

    def page(self) -> Page:
        self._place_chains()
        self._place_free()
        self._close_up()
        arrows = self._arrows()
        left = min(b.rectangle[0] for b in self.boxes) - MARGIN
        top = min(b.rectangle[1] for b in self.boxes) - MARGIN
        boxes = tuple(replace(b, x=b.x - left, y=b.y - top) for b in self.boxes)
        pipes = tuple(replace(p, points=tuple((x - left, y - top) for x, y in p.points)) for p in self.pipes)
        return Page(self.sector, boxes, pipes, arrows)

    # Stocks and flows

    def _place_chains(self) -> None:
        """Chains side by side and below each other, with room for what feeds them."""
        share = max(1.0, len(self.free) / max(len(self.chains), 1))
        widest = max((self._columns(c) for c in self.chains), default=4)
        line = max(widest, math.ceil(math.sqrt(2.6 * (len(self.free) + 6 * len(self.chains)))))
        column = row = tallest = 0
        for chain in self.chains:
            columns = self._columns(chain)
            lanes = self._lanes(chain)
            room = max(1, math.ceil(share * 1.5 / (2 * (columns + 1))))
            if column and column + columns > line:
                column, row, tallest = 0, row + tallest, 0
            self._place_chain(chain, column, row + room)
            column += columns + 1
            tallest = max(tallest, lanes + 2 * room)

    def _columns(self, chain: Chain) -> int:
        """Cells a chain is wide: a pipe on either side where there is one, and between."""
        first, last = chain.stocks[0], chain.stocks[-1]
        ins = any(s is None and t == first for s, t in chain.flows.values())
        outs = any(t is None and s == last for s, t in chain.flows.values())
        return len(chain.stocks) + PIPE_CELLS * (len(chain.stocks) - 1 + ins + outs)

    def _gaps(self, chain: Chain) -> tuple[list[list[str]], list[str]]:
        """Flows by the gap in which they are drawn (before the first stock, between, after the last), and long ones."""
        place = {key: i for i, key in enumerate(chain.stocks)}
        gaps: list[list[str]] = [[] for _ in range(len(chain.stocks) + 1)]
        long: list[str] = []
        for key, (source, target) in chain.flows.items():
            if source is None and target is not None:
                gaps[place[target]].append(key)
            elif target is None and source is not None:
                gaps[place[source] + 1].append(key)
            elif source is not None and target is not None:
                low, high = sorted((place[source], place[target]))
                if high == low + 1:
                    gaps[high].append(key)
                else:
                    long.append(key)
        return gaps, long

    def _lanes(self, chain: Chain) -> int:
        gaps, long = self._gaps(chain)
        return max(1, *map(len, gaps)) + len(long)

    def _place_chain(self, chain: Chain, column: int, row: int) -> None:
        gaps, long = self._gaps(chain)
        lanes = max(1, *map(len, gaps))
        top = row + len(long)  # long pipes pass above
        column += PIPE_CELLS if gaps[0] else 0
        places = {}
        for i, key in enumerate(chain.stocks):
            lane_count = max(1, len(gaps[i]), len(gaps[i + 1]))
            cell = column + i * (PIPE_CELLS + 1)
            height = self._stock_height(key) + (lane_count - 1) * CELL_HEIGHT
            y = (top + (lane_count - 1) / 2) * CELL_HEIGHT
            self._box("stock", key, cell * self.cell_width, y, STOCK_WIDTH, height)
            places[key] = cell
            self.taken |= {(cell, r) for r in range(row, top + lanes)}
        for i, flows in enumerate(gaps):
            start = column + (i - 1) * (PIPE_CELLS + 1) + 1
            for lane, key in enumerate(flows):
                self._straight(key, chain.flows[key], start, top + lane)
        for level, key in enumerate(long):
            self._over(key, chain.flows[key], places, row + level)

    def _straight(self, key: str, ends: tuple[str | None, str | None], start: int, row: int) -> None:
        """A horizontal pipe in the gap whose first cell is `start`."""
        y = row * CELL_HEIGHT
        left = (start - 1) * self.cell_width + STOCK_WIDTH / 2
        right = (start + PIPE_CELLS) * self.cell_width - STOCK_WIDTH / 2
        away = 2 * self.cell_width - STOCK_WIDTH  # puts the valve on the grid
        source, target = ends
        if source is None:
            x0, x1 = right - away, right
        elif target is None:
            x0, x1 = left, left + away
        else:
            x0, x1 = (left, right) if self.box_of[source].x < self.box_of[target].x else (right, left)
        self._pipe(key, ends, ((x0, y), (x1, y)), ((x0 + x1) / 2, y))
        self.taken |= {(start + i, row) for i in range(PIPE_CELLS)}

    def _over(self, key: str, ends: tuple[str | None, str | None], places: Mapping[str, int], row: int) -> None:
        """A pipe that leaves one stock upwards, passes others and comes down on another."""
        source, target = ends
        assert source is not None and target is not None
        first, last = self.box_of[source], self.box_of[target]
        shift = STOCK_WIDTH / 4
        x0, x1 = (first.x + shift, last.x - shift) if first.x < last.x else (first.x - shift, last.x + shift)
        y = row * CELL_HEIGHT
        corners = (
            (x0, first.y - first.height / 2),
            (x0, y),
            (x1, y),
            (x1, last.y - last.height / 2),
        )
        low, high = sorted((places[source], places[target]))
        middle = (low + high) // 2 + ((low + high) % 2)
        self._pipe(key, ends, corners, (middle * self.cell_width, y))
        self.taken |= {(c, row) for c in range(low, high + 1)}

    def _pipe(
        self,
        key: str,
        ends: tuple[str | None, str | None],
        points: tuple[tuple[float, float], ...],
        valve: tuple[float, float],
    ) -> None:
        boxes = [
            self.box_of[end].identity if end is not None else self._box("cloud", "", *point, 20, 16).identity
            for end, point in zip(ends, (points[0], points[-1]), strict=True)
        ]
        knob = self._box("valve", key, *valve, 2 * SYMBOL, 2 * SYMBOL)
        self.pipes.append(Pipe(key, boxes[0], boxes[1], knob.identity, points))

    def _stock_height(self, key: str) -> float:
        return max(STOCK_HEIGHT, 8 + LINE_HEIGHT * len(broken(self.names[key], STOCK_CHARACTERS)))

    def _box(self, kind: str, key: str, x: float, y: float, width: float, height: float) -> Box:
        longest = STOCK_CHARACTERS if kind == "stock" else self.label_characters
        lines = broken(self.names[key], longest) if key else ()
        box = Box(len(self.boxes), kind, key, float(x), float(y), lines, float(width), float(height))
        self.boxes.append(box)
        if key:
            self.box_of[key] = box
        return box

    # Everything else

    def _place_free(self) -> None:
        """Each auxiliary in the free cell nearest to its neighbours, then moved while that shortens the arrows."""
        cell_of: dict[str, Cell] = {}
        position = {key: (b.x / self.cell_width, b.y / CELL_HEIGHT) for key, b in self.box_of.items()}
        if len(self.free) > MOST_PLACED:
            self._rows(cell_of)
        else:
            self._near(cell_of, position)
        if len(cell_of) <= MOST_IMPROVED:
            self._improve(cell_of, position)
        for key in self.free:
            column, row = cell_of[key]
            kind = "ghost" if key in self.ghosts else "points" if self.variables[key].kind == "points" else "aux"
            self._box(kind, key, column * self.cell_width, row * CELL_HEIGHT, 2 * SYMBOL, 2 * SYMBOL)

    def _near(self, cell_of: dict[str, Cell], position: dict[str, tuple[float, float]]) -> None:
        """First what has most of its neighbours placed already."""
        known = {key: sum(n in position for n in self.neighbours[key]) for key in self.free}
        number = {key: i for i, key in enumerate(self.free)}

        def rank(key: str) -> tuple[bool, float, int, str]:
            return known[key] == 0, -known[key] / (1 + len(self.neighbours[key])), number[key], key

        heap = [rank(key) for key in self.free]
        heapq.heapify(heap)
        while heap:
            entry = heapq.heappop(heap)
            key = entry[-1]
            if key in cell_of or entry != rank(key):
                continue
            cell_of[key] = self._nearest_free([position[n] for n in self.neighbours[key] if n in position])
            position[key] = (float(cell_of[key][0]), float(cell_of[key][1]))
            self.taken.add(cell_of[key])
            for other in self.neighbours[key]:
                if other in known and other not in cell_of:
                    known[other] += 1
                    heapq.heappush(heap, rank(other))

    def _rows(self, cell_of: dict[str, Cell]) -> None:
        """In rows below the stocks, in the order of the equations."""
        below = max((row for _, row in self.taken), default=-1) + 2
        columns = math.ceil(math.sqrt(len(self.free)))
        for i, key in enumerate(self.free):
            cell_of[key] = (i % columns, below + i // columns)
            self.taken.add(cell_of[key])

    def _nearest_free(self, near: Sequence[tuple[float, float]]) -> Cell:
        """Free cell with the shortest arrows; without neighbours, the one nearest to the corner."""
        points = near or [(0.0, 0.0)]
        middle = round(sum(x for x, _ in points) / len(points)), round(sum(y for _, y in points) / len(points))
        best: tuple[float, Cell] | None = None
        radius = 0
        while best is None or radius <= 2 + best[0] / len(points):
            for cell in _ring(middle, radius):
                if cell not in self.taken and (near or min(cell) >= 0):
                    cost = sum(_distance(cell, p) for p in points)
                    if best is None or cost < best[0] - 1e-9:
                        best = cost, cell
            radius += 1
        return best[1]

    def _improve(self, cell_of: dict[str, Cell], position: dict[str, tuple[float, float]]) -> None:
        """Move each to a better cell, or exchange two, while the page gets better."""
        fixed = np.array([b.rectangle for b in self.boxes]).reshape(-1, 4)
        fixed = fixed / np.array([self.cell_width, CELL_HEIGHT] * 2)
        keys = list(cell_of)

        def cost(key: str, at: tuple[float, float]) -> float:
            ends = [position[n] for n in self.neighbours[key] if n != key]
            if not ends:
                return 0.0
            others = np.array([position[k] for k in keys if k != key])
            return sum(_distance(at, end) + _passed(at, end, others, fixed) for end in ends)

        for _ in range(SWEEPS):
            moved = False
            for key in keys:
                ends = [position[n] for n in self.neighbours[key]]
                if not ends:
                    continue
                here = cell_of[key]
                middle = round(float(np.mean([x for x, _ in ends]))), round(float(np.mean([y for _, y in ends])))
                now = cost(key, position[key])
                free = [c for r in range(4) for c in _ring(middle, r) if c not in self.taken]
                ranked = sorted(free, key=lambda c: sum(_distance(c, e) for e in ends))[:6]
                scored = [(cost(key, (float(c[0]), float(c[1]))), c) for c in ranked]
                best = min(scored, default=(math.inf, here))
                if best[0] < now - 0.05:
                    self.taken.discard(here)
                    self.taken.add(best[1])
                    cell_of[key] = best[1]
                    position[key] = (float(best[1][0]), float(best[1][1]))
                    moved = True
            if not moved:
                return

    def _close_up(self) -> None:
        """Take out rows and columns in which nothing stands."""
        columns, rows = ({cell[i] for cell in self.taken} for i in (0, 1))
        shift_x = _closed(columns, self.cell_width)
        shift_y = _closed(rows, CELL_HEIGHT)
        self.boxes = [replace(b, x=shift_x(b.x), y=shift_y(b.y)) for b in self.boxes]
        self.box_of = {b.key: b for b in self.boxes if b.key}
        self.pipes = [replace(p, points=tuple((shift_x(x), shift_y(y)) for x, y in p.points)) for p in self.pipes]

    def _arrows(self) -> tuple[Arrow, ...]:
        """Arrows, each bent as far as needed to pass by what it does not mean."""
        rectangles = np.array([b.rectangle for b in self.boxes])
        numbers = np.arange(len(self.boxes))
        arrows = []
        for (used, user), initial in self.links.items():
            start, end = self.box_of[used], self.box_of[user]
            hits = []
            for bend in BENDS:
                path = arc((start.x, start.y), (end.x, end.y), bend)
                inside = (
                    (path[:, :1] > rectangles[:, 0])
                    & (path[:, :1] < rectangles[:, 2])
                    & (path[:, 1:] > rectangles[:, 1])
                    & (path[:, 1:] < rectangles[:, 3])
                ).any(axis=0)
                inside &= ~np.isin(numbers, [start.identity, end.identity])
                hits.append((int(inside.sum()), abs(bend), bend))
            arrows.append(Arrow(start.identity, end.identity, min(hits)[2], initial))
        return tuple(arrows)


def _closed(used: set[int], size: float) -> Callable[[float], float]:
    """Moves places up to where the empty cells before them are gone."""
    empty = sorted(set(range(min(used), max(used))) - used)
    return lambda place: place - size * sum(e * size < place for e in empty)


def _ring(middle: Cell, radius: int) -> list[Cell]:
    """Cells at one distance, counted in steps of a king."""
    column, row = middle
    if radius == 0:
        return [middle]
    across = [(column + i, row + side * radius) for side in (-1, 1) for i in range(-radius, radius + 1)]
    return across + [(column + side * radius, row + j) for side in (-1, 1) for j in range(1 - radius, radius)]


def _distance(a: tuple[float, float], b: tuple[float, float]) -> float:
    return math.hypot((a[0] - b[0]) * CELL_WIDTH, (a[1] - b[1]) * CELL_HEIGHT) / CELL_WIDTH


def _passed(start: tuple[float, float], end: tuple[float, float], cells: Floats, fixed: Floats) -> float:
    """Boxes that a straight arrow would run over."""
    along = np.linspace(0.0, 1.0, 14)[1:-1, None]
    path = np.array(start) + (np.array(end) - np.array(start)) * along
    count = 0
    if cells.size:
        apart = np.abs(path[:, None, :] - cells[None, :, :])
        near = (apart[..., 0] < 0.4) & (apart[..., 1] < 0.3)
        near = near.any(axis=0)
        ends = (np.abs(cells - end).max(axis=1) < 1e-9) | (np.abs(cells - start).max(axis=1) < 1e-9)
        count += int((near & ~ends).sum())
    if fixed.size:
        inside = (
            (path[:, :1] > fixed[:, 0])
            & (path[:, :1] < fixed[:, 2])
            & (path[:, 1:] > fixed[:, 1])
            & (path[:, 1:] < fixed[:, 3])
        ).any(axis=0)
        at_end = (fixed[:, 0] <= end[0]) & (end[0] <= fixed[:, 2]) & (fixed[:, 1] <= end[1]) & (end[1] <= fixed[:, 3])
        count += int((inside & ~at_end).sum())
    return float(count)

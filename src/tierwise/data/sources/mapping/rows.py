"""Raw chunks as rows of a table: every column derived, rows left out counted, histories and lookups in a scratch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tierwise.config.mapping import Via, Way
from tierwise.data.contract import TABLES
from tierwise.data.sources.mapping.cells import READ, TEXT, text, translated
from tierwise.data.sources.mapping.changes import History
from tierwise.data.sources.mapping.ids import is_salesforce_id
from tierwise.data.sources.mapping.lookups import MODIFIED, Lookups
from tierwise.data.sources.mapping.naming import Header, key
from tierwise.data.sources.mapping.source import HISTORY, Made, MappedSource
from tierwise.data.sources.mapping.times import is_instant, is_later, latest
from tierwise.data.sources.part import Chunk, Part
from tierwise.data.warehouse import Warehouse

_CAST = ("text", "instant", "epoch_ms")
"""Ways to read that leave a typed column as the file types it."""
_MODIFIED_AT = "modified_at"


class _Raw:
    """The cells of one raw chunk."""

    def __init__(self, chunk: Chunk, header: Header, part: Part) -> None:
        self.rows, self.header, self.formats = chunk.frame.num_rows, header, part.formats
        self._frame = chunk.frame

    def typed(self, place: int) -> pa.Array:
        """A column as the file types it."""
        return _whole(self._frame.column(place))

    def text(self, place: int) -> pa.Array:
        """A column as text."""
        return text(self.typed(place), self.formats.nulls)


class RowReader:
    """Reads one part of a mapped source for its feeds, with the lookups and histories that all its parts share."""

    def __init__(
        self, source: MappedSource, scratch: Warehouse, lookups: Lookups, history: Callable[[Made], History]
    ) -> None:
        self.source, self.scratch, self.lookups, self.history = source, scratch, lookups, history
        self.said: Counter[str] = Counter()
        self._remarks: list[tuple[str, pa.Array]] = []

    def chunks(self, made: Made, part: Part) -> Iterator[Chunk]:
        """The rows that a part gives to the table of a feed; at least one chunk."""
        if made.feed.changes is None:
            for chunk, frame, lines in self.states(made, part):
                yield Chunk(frame, lines, chunk.ragged)
            return
        history, names = self.history(made), self.source.names(made, part)
        place = next(i for i, each in enumerate(made.parts) if each is part)
        for frame, lines in history.of(place, names):
            yield Chunk(frame, lines)
        self.said.update(history.said[place])
        empty = pa.table({name: pa.array([], TEXT) for name in names})
        yield Chunk(empty, np.zeros(0, dtype=np.int64), tuple(history.ragged[place]))

    def states(self, made: Made, part: Part) -> Iterator[tuple[Chunk, pa.Table, np.ndarray]]:
        """The rows of a part before repeated states are left out: (raw chunk, columns, lines)."""
        header = self.source.header(part)
        names = [n for n in self.source.names(made, part) if made.feed.changes is None or n != made.feed.changes.before]
        for chunk in part.chunks():
            raw = _Raw(chunk, header, part)
            columns = self._derived(self.source.columns(made, part), raw, made.table)
            columns |= {name: raw.typed(place) for name, place in self.source.attributes(made, part).items()}
            kept = self._kept(made, columns, raw.rows)
            lines = chunk.lines
            if made.feed.tracks is not None:
                columns, lines, kept = self._history(made, columns, raw, lines, kept)
            frame = pa.table([columns[name] for name in names], names=names)
            if kept is not None:
                frame, lines = frame.filter(kept), lines[kept.to_numpy(zero_copy_only=False)]
            yield chunk, frame, lines

    def looked_up(self, via: Via, made: Made, part: Part) -> Iterator[Mapping[str, pa.Array]]:
        """What a lookup reads of a part: the columns it names, instants beside them, and when a row was changed."""
        named = (*via.match, via.take)
        if made.feed.changes is not None or made.feed.tracks is not None:
            for chunk in self.chunks(made, part):
                unsaid = pa.nulls(chunk.frame.num_rows, TEXT)
                yield {**{name: _whole(chunk.frame[name]) for name in named}, MODIFIED: unsaid}
            return
        header, there = self.source.header(part), self.source.columns(made, part)
        beside = [name for name in there if made.table not in TABLES and is_instant(made.table, name)]
        wanted = _needed(there, {*named, *beside, *({_MODIFIED_AT} & set(there))}, made)
        for raw_chunk in part.chunks():
            raw = _Raw(raw_chunk, header, part)
            columns = self._derived(wanted, raw, made.table)
            kept = self._kept(made, columns, raw.rows)
            taken = {name: columns[name] for name in (*named, *beside)} | {MODIFIED: self._modified(columns, raw)}
            yield taken if kept is None else {name: each.filter(kept) for name, each in taken.items()}

    def _modified(self, columns: Mapping[str, pa.Array], raw: _Raw) -> pa.Array:
        """When each row was last changed, by the feed's own column or by those that the mapping names for all."""
        if _MODIFIED_AT in columns:
            return columns[_MODIFIED_AT]
        found = [raw.text(place) for place in raw.header.places(self.source.mapping.modified)]
        return READ["epoch_ms"](pc.coalesce(*found)) if found else pa.nulls(raw.rows, TEXT)

    def _derived(self, columns: Mapping[str, tuple[Way, ...]], raw: _Raw, table: str) -> dict[str, pa.Array]:
        derived: dict[str, pa.Array] = {}
        for name, ways in columns.items():
            reads = self.reads(name, ways[0], table)
            places = raw.header.places(ways[0].of)
            if len(ways) == len(places) == 1 and _is_cast(ways[0], reads) and not name.endswith("_id"):
                typed = raw.typed(places[0])
                if not _is_text(typed.type):
                    derived[name] = typed
                    continue
            found = [self._value(way, raw, derived, self.reads(name, way, table)) for way in ways]
            derived[name] = self._first(f"{table}: {name}", ways, found, raw, derived)
            self._check_ids(name, ways, derived[name], table)
        return derived

    def _first(
        self, column: str, ways: Sequence[Way], found: Sequence[pa.Array], raw: _Raw, derived: Mapping[str, pa.Array]
    ) -> pa.Array:
        """Row by row the first way's value that is there; the rows of a way of which something is to be said."""
        value = pa.nulls(len(found[0]), found[0].type)
        for way, other in zip(ways, found, strict=True):
            taken = pc.and_(pc.is_null(value), pc.is_valid(other))
            if way.says:
                self._remarks.append((f"{column}: {{rows}}: {way.says}", taken))
            if way.several:
                several = pc.and_(taken, self._are_several(way, raw, derived))
                self._remarks.append((f"{column}: {{rows}}: {way.several}", several))
            value = pc.coalesce(value, other)
        return value

    def _are_several(self, way: Way, raw: _Raw, derived: Mapping[str, pa.Array]) -> pa.Array:
        """Where a way's value is one of several."""
        if way.via is not None:
            return self.lookups.several(way.via, derived)
        listed = pc.coalesce(*(raw.text(place) for place in raw.header.places(way.of)))
        return pc.fill_null(pc.match_substring(listed, way.first_of), False)

    def reads(self, name: str, way: Way, table: str) -> str:
        """How a way's value is read."""
        if way.as_ is not None:
            return way.as_
        if way.via is not None or way.constant is not None:
            return "text"
        if name.endswith("_id"):
            return self.source.mapping.ids
        return "instant" if is_instant(table, name) else "text"

    def _value(self, way: Way, raw: _Raw, derived: Mapping[str, pa.Array], reads: str) -> pa.Array:
        if way.if_ is not None and derived[way.if_].null_count == raw.rows:
            return pa.nulls(raw.rows, TEXT)
        if way.constant is not None:
            value = pa.repeat(pa.scalar(way.constant, TEXT), raw.rows)
        elif way.via is not None:
            value = self.lookups.find(way.via, derived)
        elif way.joined:
            parts = [raw.text(raw.header.find(name)[0]) for name in way.joined]
            value = pc.binary_join_element_wise(*parts, "-")
        else:
            found = [raw.text(place) for place in raw.header.places(way.of)]
            if way.latest and len(found) > 1:
                value = latest([READ[reads](each) for each in found], raw.formats, self.scratch)  # type: ignore[index]
            else:
                value = pc.coalesce(*found) if len(found) > 1 else found[0]
        value = finished(value, way, reads)
        if way.if_ is not None:
            value = pc.if_else(pc.is_valid(derived[way.if_]), value, pa.scalar(None, TEXT))
        if way.unless is not None and way.unless in derived:
            value = pc.if_else(pc.is_null(derived[way.unless]), value, pa.scalar(None, TEXT))
        return value

    def _check_ids(self, name: str, ways: Sequence[Way], values: pa.Array, table: str) -> None:
        if name.startswith("_") or not any(self._is_id(name, way, table) for way in ways):
            return
        filled = values.drop_null()
        strange = len(filled) - (pc.sum(is_salesforce_id(filled)).as_py() or 0)
        says = "not written as Salesforce writes ids, or changed in case; kept as they are"
        self.said[f"{table}: {name}: {{values}} {says}"] += strange

    def _is_id(self, name: str, way: Way, table: str) -> bool:
        return self.reads(name, way, table) == "salesforce_id" and not way.suffix and not way.joined

    def _kept(self, made: Made, columns: Mapping[str, pa.Array], rows: int) -> pa.Array | None:
        """Which rows fulfil every condition; None: all. The others are counted by the first that they do not fulfil."""
        kept = pa.repeat(pa.scalar(True), rows)
        for condition in made.feed.when:
            there = [pc.is_valid(columns[name]) for name in condition.column if name in columns]
            filled = there[0] if there else pa.repeat(pa.scalar(False), rows)
            for each in there[1:]:
                filled = pc.or_(filled, each)
            fulfils = filled if condition.is_ == "filled" else pc.invert(filled)
            instants = [text(columns[name]) for name in condition.or_later or () if name in columns]
            if len(instants) == 2 and not pc.all(fulfils).as_py():
                one, other = instants
                fulfils = pc.or_(fulfils, is_later(one, other, self.source.formats, self.scratch))
            out = pc.sum(pc.and_(kept, pc.invert(fulfils))).as_py() or 0
            self.said[f"{made.table}: {{rows}} left out: {condition.otherwise}"] += out
            kept = pc.and_(kept, fulfils)
        for words, taken in self._remarks:
            self.said[words] += pc.sum(pc.and_(kept, taken)).as_py() or 0
        self._remarks.clear()
        return kept if made.feed.when else None

    def _history(
        self, made: Made, columns: dict[str, pa.Array], raw: _Raw, lines: np.ndarray, kept: pa.Array | None
    ) -> tuple[dict[str, pa.Array], np.ndarray, pa.Array | None]:
        if "field" in columns:
            columns, known = self._by_field(made, columns)
            out = pc.sum(pc.invert(known) if kept is None else pc.and_(kept, pc.invert(known))).as_py() or 0
            says = f"changes of what {made.feed.tracks} does not hold"
            self.said[f"{made.table}: {{rows}} left out: {says}"] += out
            return columns, lines, known if kept is None else pc.and_(kept, known)
        return self._unfolded(made, columns, raw, lines, kept)

    def _by_field(self, made: Made, columns: dict[str, pa.Array]) -> tuple[dict[str, pa.Array], pa.Array]:
        """A history of rows (field, values): fields by our names, values read as those columns are."""
        tracked = self.source.tracked(made.feed)
        coded = columns["field"].dictionary_encode()
        names = [tracked.column(key(each)) for each in coded.dictionary.to_pylist()]
        field = pa.array(names, TEXT).take(coded.indices)
        result, known = {**columns, "field": field}, pc.is_valid(field)
        for value in ("old_value", "new_value"):
            if value not in columns:
                continue
            cells = columns[value]
            for name in sorted({each for each in names if each is not None and tracked.ways.get(each)}):
                way, is_it = tracked.ways[name][0], pc.fill_null(pc.equal(field, name), False)
                reads = self.reads(name, way, made.feed.tracks or "")
                if reads == "salesforce_id":  # a lookup's change stands twice: with ids, and with names
                    known = pc.and_(known, pc.or_(pc.invert(is_it), pc.or_(pc.is_null(cells), is_salesforce_id(cells))))
                if reads != "text" or not _is_plain(way):
                    cells = pc.if_else(is_it, finished(cells, way, reads), cells)
            result[value] = cells
        return result, known

    def _unfolded(
        self, made: Made, columns: dict[str, pa.Array], raw: _Raw, lines: np.ndarray, kept: pa.Array | None
    ) -> tuple[dict[str, pa.Array], np.ndarray, pa.Array | None]:
        """A history of whole states: each row once for every tracked column that the file has."""
        assert made.feed.tracks is not None
        tracked = self.source.tracked(made.feed)
        states: dict[str, pa.Array] = {}
        for name, ways in tracked.ways.items():
            there = [way for way in ways if raw.header.has_one_of(way.of)]
            if there:
                found = [self._value(way, raw, {}, self.reads(name, way, made.feed.tracks)) for way in there]
                states[name] = pc.coalesce(*found) if len(found) > 1 else found[0]
        for place, name in enumerate(raw.header.names):
            column = tracked.column(key(name, raw.header.prefixes))
            if column is not None and column not in states and not tracked.ways.get(column):
                states[column] = raw.text(place)
        n = len(states)
        if not n:
            empty = {name: pa.array([], TEXT) for name in (*columns, *HISTORY)}
            return empty, lines[:0], None
        repeated = {name: pa.concat_arrays([text(each)] * n) for name, each in columns.items()}
        repeated["field"] = pa.concat_arrays([pa.repeat(pa.scalar(name, TEXT), raw.rows) for name in states])
        repeated["new_value"] = pa.concat_arrays(list(states.values()))
        return repeated, np.tile(lines, n), None if kept is None else pa.concat_arrays([kept] * n)


def finished(value: pa.Array, way: Way, reads: str) -> pa.Array:
    """What a way does to a value once it is there."""
    if way.first_of is not None:
        value = text(pc.list_element(pc.split_pattern(pc.fill_null(value, ""), way.first_of), 0))
    if way.starts_with is not None:
        fits = pc.fill_null(pc.starts_with(value, way.starts_with), False)
        value = pc.if_else(fits, value, pa.scalar(None, TEXT))
    value = READ[reads](value)  # type: ignore[index]
    if way.values:
        value = translated(value, way.values, way.else_)
    return pc.binary_join_element_wise(value, pa.scalar(way.suffix, TEXT), "") if way.suffix else value


def _needed(columns: Mapping[str, tuple[Way, ...]], wanted: set[str], made: Made) -> dict[str, tuple[Way, ...]]:
    """The columns that are wanted, and those that they and the conditions read."""
    wanted = wanted | {
        name for condition in made.feed.when for name in (*condition.column, *(condition.or_later or ()))
    }
    for name in reversed(list(columns)):
        if name in wanted:
            for way in columns[name]:
                wanted |= {each for each in (way.if_, way.unless) if each is not None}
                wanted |= set(way.via.match.values()) if way.via else set()
    return {name: ways for name, ways in columns.items() if name in wanted}


def _is_cast(way: Way, reads: str) -> bool:
    return reads in _CAST and bool(way.of) and _is_plain(way)


def _is_plain(way: Way) -> bool:
    """Whether a way says nothing but where the value stands and how it is read."""
    return {"of", "as_"}.issuperset(way.model_fields_set)


def _is_text(type_: pa.DataType) -> bool:
    if pa.types.is_dictionary(type_):
        return _is_text(type_.value_type)
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_null(type_))


def _whole(column: pa.ChunkedArray) -> pa.Array:
    whole = column.combine_chunks()
    return pa.concat_arrays(whole.chunks) if isinstance(whole, pa.ChunkedArray) else whole

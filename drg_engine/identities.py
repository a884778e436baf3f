"""Checking each settlement list against the sums it must keep (insurance_office.md §6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from drg_engine.columns import case_format, find_columns
from drg_engine.door import Ledger, Rejects, one_array, read_money
from drg_engine.money import MISSING_FEN
from drg_engine.readers import open_table
from drg_engine.settlement_lists import list_words
from drg_engine.text_tables import TextPart

__all__ = ["IdentityCheck", "check_identities"]

_MOST_YUAN = 1e9
Fen = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class IdentityCheck:
    """What came of checking a file's rows.

    counts: one row an identity: name, checked, kept, broken (rows of the file).  broken: one row
    for each row of the file and identity that does not hold: row, case_id, name, left_fen,
    right_fen, difference_fen, mend.  Rows with an amount that cannot be read are in ``rejects``.
    """

    file: str
    read: int
    counts: pd.DataFrame
    broken: pd.DataFrame
    rejects: Rejects


def check_identities(path: Path) -> IdentityCheck:
    """Check every identity that a file has the columns for (JSON lists, CSV, Excel, Parquet).

    An identity is checked in the rows that have all its amounts; those named optional count as 0.
    Raises InputError where the file cannot be read or has no case id.
    """
    words = list_words()
    source = open_table(path)
    headings = _headings(source.headings, words, path.name)
    names = [name for name in headings if name != "case_id"]
    frames, rejects, read = [], [], 0
    tallies: list[list[tuple[int, int]]] = []
    for part in source.parts:
        read += len(part.rows)
        ids, amounts, keep, told = _amounts(path.name, part, headings, names)
        rejects.append(told)
        tally = []
        for identity in words["identities"]:
            frame, checked = _broken(identity, part.rows[keep], ids, amounts)
            frames.append(frame)
            tally.append((checked, len(frame)))
        tallies.append(tally)
    nothing = TextPart(pa.table({}), np.zeros(0, dtype=np.int64))
    bad = Ledger(path.name, nothing, pa.array([], pa.string())).rejects(source.bad_rows)
    broken = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    if not broken.empty:
        broken = broken.sort_values("row", kind="stable", ignore_index=True)
    return IdentityCheck(
        path.name,
        read + len(source.bad_rows),
        _counts(words["identities"], tallies),
        broken,
        Rejects.joined([bad, *rejects]),
    )


def _headings(found: Sequence[str], words: Mapping[str, Any], file: str) -> dict[str, str]:
    """Heading of the case id and of each amount that an identity names."""
    form = case_format()
    wanted = {
        name for identity in words["identities"] for name in (*identity["left"], *identity["right"])
    }
    columns: dict[str, Any] = {"case_id": form.columns["case_id"]}
    for name in sorted(wanted):
        own = dict(form.columns[name]) if name in form.columns else {"headings": []}
        fields = words["fields"].get(name, [])
        title = [words["titles"][name]] if name in words["titles"] else []
        own["headings"] = [*own["headings"], *fields, *title]
        columns[name] = own | {"required": False}
    return find_columns(found, type(form)(columns, {}, {}), file)


def _amounts(
    file: str, part: TextPart, headings: Mapping[str, str], names: Sequence[str]
) -> tuple[list[str], dict[str, Fen], npt.NDArray[np.bool_], Rejects]:
    ids = pc.fill_null(one_array(part.table[headings["case_id"]]).cast(pa.string()), "")
    ledger = Ledger(file, part, ids)
    columns = {
        name: read_money(one_array(part.table[headings[name]]), headings[name], ledger, _MOST_YUAN)
        for name in names
    }
    keep = ~ledger.out
    amounts = {
        name: np.asarray(pc.fill_null(fen, MISSING_FEN), dtype=np.int64)[keep]
        for name, fen in columns.items()
    }
    return ids.filter(pa.array(keep)).to_pylist(), amounts, keep, ledger.rejects(())


def _broken(
    identity: Mapping[str, Any], rows: Fen, ids: Sequence[str], amounts: Mapping[str, Fen]
) -> tuple[pd.DataFrame, int]:
    needed = [n for n in (*identity["left"], *identity["right"]) if n not in identity["optional"]]
    if any(name not in amounts for name in needed):
        return _told(identity, rows[:0], [], rows[:0], rows[:0]), 0
    there = reduce(np.logical_and, (amounts[name] != MISSING_FEN for name in needed))
    left, right = (_sum(identity[side], amounts, len(rows)) for side in ("left", "right"))
    at = np.flatnonzero(there & (left != right))
    told = _told(identity, rows[at], [ids[i] for i in at.tolist()], left[at], right[at])
    return told, int(there.sum())


def _sum(names: Sequence[str], amounts: Mapping[str, Fen], count: int) -> Fen:
    found = np.zeros(count, dtype=np.int64)
    for name in names:
        if name in amounts:
            found += np.where(amounts[name] == MISSING_FEN, 0, amounts[name])
    return found


def _told(
    identity: Mapping[str, Any], rows: Fen, ids: Sequence[str], left: Fen, right: Fen
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "row": rows,
            "case_id": pd.Series(list(ids), dtype=object),
            "name": str(identity["name"]),
            "left_fen": left,
            "right_fen": right,
            "difference_fen": left - right,
            "mend": str(identity["mend"]),
        }
    )


def _counts(
    identities: Sequence[Mapping[str, Any]], tallies: Sequence[Sequence[tuple[int, int]]]
) -> pd.DataFrame:
    rows = []
    for place, identity in enumerate(identities):
        checked = sum(tally[place][0] for tally in tallies)
        broken = sum(tally[place][1] for tally in tallies)
        rows.append((str(identity["name"]), checked, checked - broken, broken))
    return pd.DataFrame(rows, columns=["name", "checked", "kept", "broken"])

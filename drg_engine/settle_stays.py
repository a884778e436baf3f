"""Readmissions over parts: the stays of a person come together in buckets on disk.

Each stay goes to a bucket by the hash of the person; the buckets are then looked through one by
one, by the same rule as cases in memory (:func:`drg_engine.payment_rules.readmitted`).  Persons are
told apart by their full text, the hash only chooses the bucket.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from drg_engine._kernels_codes import hash_ids
from drg_engine.codes import text_buffers
from drg_engine.payment import MISSING_FEN, PaymentColumns, Settlement
from drg_engine.payment_columns import Coded
from drg_engine.payment_rules import BY_DRG, readmitted, stays_of
from drg_engine.payment_words import kind_of
from drg_engine.policy import Policy
from drg_engine.settle_phases import asks_for_stays

__all__ = ["StayBuckets", "followed_stays", "stay_table"]

Rows = npt.NDArray[np.int64]

_BUCKETS = 128
_SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("policy", pa.int8()),
        ("person", pa.string()),
        ("case_id", pa.string()),
        ("drg", pa.int32()),
        ("dx", pa.dictionary(pa.int32(), pa.string())),
        ("admitted", pa.int64()),
        ("left", pa.int64()),
    ]
)


def stay_table(
    bare: Settlement, person: pa.Array | None, numbers: Rows, policy: int = 0
) -> pa.Table:
    """Stays that may be followed by another: known person and dates, paid by DRG.

    numbers: of the cases among all; policy: place of the one that pays them.
    """
    cases = bare.cases
    admitted, left = cases.admission_date, cases.discharge_date
    if person is None or admitted is None or left is None:
        return _SCHEMA.empty_table()
    known = np.asarray(person.is_valid().to_numpy(zero_copy_only=False))
    known = known & ~np.isnat(admitted) & ~np.isnat(left) & np.isin(bare.kind, BY_DRG)
    rows = np.flatnonzero(known)
    at = pa.array(rows)
    principal = cases.principal[rows]
    dx = pa.DictionaryArray.from_arrays(
        pa.array(principal, mask=principal < 0), pa.array(list(cases.dx_names), pa.string())
    )
    columns = [
        pa.array(numbers[rows]),
        pa.array(np.full(rows.size, policy, dtype=np.int8)),
        person.take(at).cast(pa.string()),
        cases.case_id.take(at).cast(pa.string()),
        pa.array(cases.drg[rows]),
        dx,
        pa.array(admitted[rows].astype("datetime64[D]").astype(np.int64)),
        pa.array(left[rows].astype("datetime64[D]").astype(np.int64)),
    ]
    return pa.table(columns, schema=_SCHEMA)


def followed_stays(stays: pa.Table, policies: Sequence[Policy], reviewed: Rows) -> Rows:
    """Numbers, sorted, of the stays that are cut: each by the policy that pays it.

    As in payment_dated, a stay is looked at among those of all policies.
    reviewed: numbers (sorted) of cases paid by decision, which do not count.
    """
    numbers = np.asarray(stays["row"], dtype=np.int64)
    own = np.asarray(stays["policy"])
    off = np.isin(numbers, reviewed) if reviewed.size else np.zeros(numbers.size, dtype=np.bool_)
    kind = np.where(off, kind_of("review"), kind_of("normal")).astype(np.int8)
    cases = _cases(stays)
    together = stays_of(cases)
    found = [np.zeros(0, dtype=np.int64)]
    for place, policy in enumerate(policies):
        mine = own == place
        if not asks_for_stays(policy) or not mine.any():
            continue
        cut = readmitted(cases, policy, together, kind)
        found.append(cut[mine[cut]])
    return np.sort(numbers[np.concatenate(found)])


def _cases(stays: pa.Table) -> PaymentColumns:
    """Stays as cases, with what the rule of readmissions reads."""
    n = stays.num_rows
    none = np.full(n, MISSING_FEN, dtype=np.int64)
    zeros = np.zeros(n, dtype=np.int32)
    people, dx = _coded(stays["person"]), _coded(stays["dx"])
    # Names of persons are not looked at, only that there is one for each code.
    person = Coded(people[0], ("",) * len(people[1]))
    return PaymentColumns(
        case_id=_one(stays["case_id"]),
        status=zeros.astype(np.int8),
        drg=np.asarray(stays["drg"], dtype=np.int32),
        drg_codes=(),
        weight=np.full(n, np.nan),
        insurance=Coded.same("", n),
        charges=none,
        cost=none,
        los=zeros,
        principal=dx[0],
        dx_names=dx[1].to_pylist(),
        hospital=Coded.same("", n),
        level=zeros.astype(np.int8),
        admission_date=np.asarray(stays["admitted"]).astype("datetime64[D]"),
        discharge_date=np.asarray(stays["left"]).astype("datetime64[D]"),
        labels={"person_id": person},
    )


def _coded(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int32], pa.Array]:
    """Codes, -1 where missing, and the texts they stand for."""
    whole = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    array = _one(whole.unify_dictionaries())
    codes = array.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return np.asarray(codes, dtype=np.int32), array.dictionary


def _one(column: pa.ChunkedArray) -> pa.Array:
    whole = column.combine_chunks()
    return pa.concat_arrays(whole.chunks) if isinstance(whole, pa.ChunkedArray) else whole


class StayBuckets:
    """Stays on disk in ``folder``, by person; written once, then looked through."""

    def __init__(self, folder: Path, buckets: int = _BUCKETS) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "stays.arrow"
        self._schema = pa.schema([pa.field(f.name, _plain(f.type)) for f in _SCHEMA])
        self._writer: Any = pa.ipc.new_file(str(self._path), self._schema)
        self._pieces: list[list[int]] = [[] for _ in range(buckets)]
        self._written = 0

    def add(self, stays: pa.Table) -> None:
        """Put stays into their buckets."""
        if not stays.num_rows:
            return
        offsets, text = text_buffers(_one(stays["person"]), fold=False)
        keys = np.empty(stays.num_rows, dtype=np.uint64)
        hash_ids(offsets, text, keys)
        # High bits, as hash_ids keeps the low ones for another use.
        bucket = ((keys >> np.uint64(40)) % np.uint64(len(self._pieces))).astype(np.int16)
        order = np.argsort(bucket, kind="stable")
        edges = np.searchsorted(bucket[order], np.arange(len(self._pieces) + 1))
        sorted_stays = stays.cast(self._schema).take(pa.array(order)).combine_chunks()
        for number, pieces in enumerate(self._pieces):
            start, stop = int(edges[number]), int(edges[number + 1])
            if stop > start:
                piece = sorted_stays.slice(start, stop - start).to_batches()
                for batch in piece:
                    self._writer.write_batch(batch)
                pieces.extend(range(self._written, self._written + len(piece)))
                self._written += len(piece)

    def followed(self, policies: Sequence[Policy], reviewed: Rows) -> Rows:
        """Numbers, sorted, of the stays that are cut (see :func:`followed_stays`)."""
        self._writer.close()
        found = [np.zeros(0, dtype=np.int64)]
        with pa.memory_map(str(self._path)) as source, pa.ipc.open_file(source) as reader:
            for pieces in self._pieces:
                if pieces:
                    stays = pa.Table.from_batches([reader.get_batch(at) for at in pieces])
                    found.append(followed_stays(stays, policies, reviewed))
                    del stays
        return np.sort(np.concatenate(found))


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind

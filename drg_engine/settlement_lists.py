"""The national settlement list as case rows: JSON messages of both interface versions.

A list's diagnoses, procedures and charge classes stand in nodes of their own; here each list is
one row of text columns, as any other case file gives them (insurance_office.md §6).  Which node
and field is which is said in data/settlement_list.toml.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from drg_engine.errors import Fault, InputError
from drg_engine.text_tables import TextPart, TextTable

__all__ = ["list_words", "open_settlement_lists"]

_MOST_BYTES = 1 << 29
_PART_LISTS = 4096
Words = Mapping[str, Any]


def list_words() -> dict[str, Any]:
    """Nodes, fields and identities as data/settlement_list.toml has them."""
    text = files("drg_engine").joinpath("data/settlement_list.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def open_settlement_lists(path: Path) -> TextTable:
    """Open a JSON file of settlement lists: one message, several in a list, or one a line.

    Rows count from 1 in the order of the file.  Raises InputError where the file is no JSON, too
    large to hold, or has no settlement list.
    """
    if path.stat().st_size > _MOST_BYTES:
        fault = Fault(path.name, f"JSON 超过 {_MOST_BYTES >> 20} MB", mend="请按日或按月分开导出")
        raise InputError(f"{path.name} 太大", [fault])
    words = list_words()
    lists = list(_lists(_messages(path), words))
    if not lists:
        mend = f"应有节点 {words['nodes']['list']}，即接口 4101、4101A 的报文"
        raise InputError(f"{path.name} 不能用", [Fault(path.name, "没有找到结算清单", mend=mend)])
    headings = _headings(words)
    parts = _parts(lists, headings, words)
    return TextTable(path.name, headings, parts, most_rows=len(lists))


def _messages(path: Path) -> list[Any]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        text = path.read_bytes().decode("gb18030", errors="replace")
    try:
        return [json.loads(text, parse_float=str, parse_int=str)]
    except (ValueError, RecursionError) as error:
        whole = error
    lines = [line for line in text.splitlines() if line.strip()]
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(json.loads(line, parse_float=str, parse_int=str))
        except (ValueError, RecursionError) as error:
            told = whole if number == 1 else error
            row = None if number == 1 else number
            fault = Fault(
                path.name, "不是完整的 JSON", row, found=str(told)[:120], mend="请重新导出"
            )
            raise InputError(f"{path.name} 读不出来", [fault]) from error
    return found


def _lists(messages: Sequence[Any], words: Words) -> Iterator[Mapping[str, Any]]:
    """The objects that hold a list, in their order, wherever in the messages they stand."""
    node = words["nodes"]["list"]
    waiting = list(reversed(messages))
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if isinstance(one.get(node), dict):
                yield one
            else:
                waiting.extend(reversed(list(one.values())))
        elif isinstance(one, list):
            waiting.extend(reversed(one))


def _headings(words: Words) -> tuple[str, ...]:
    classes = sorted(set(words["item"]["classes"].values()))
    return (*words["fields"], "diagnoses", "procedures", *classes, "item_total", "fund_parts")


def _parts(
    lists: Sequence[Mapping[str, Any]], headings: tuple[str, ...], words: Words
) -> Iterator[TextPart]:
    for start in range(0, len(lists), _PART_LISTS):
        rows = [_row(one, words) for one in lists[start : start + _PART_LISTS]]
        columns = [pa.array([row.get(name, "") for row in rows], pa.string()) for name in headings]
        numbers = np.arange(start + 1, start + len(rows) + 1, dtype=np.int64)
        yield TextPart(pa.table(columns, names=list(headings)), numbers)


def _row(message: Mapping[str, Any], words: Words) -> dict[str, str]:
    info = message[words["nodes"]["list"]]
    row = {name: _first(info, names) for name, names in words["fields"].items()}
    row["age"] = _whole_years(row["age"])
    row["diagnoses"] = _codes(_records(message, words["nodes"]["diagnoses"]), words["diagnosis"])
    row["procedures"] = _codes(_records(message, words["nodes"]["procedures"]), words["procedure"])
    row |= _fees(_records(message, words["nodes"]["items"]), words["item"])
    row["total_charges"] = row["total_charges"] or row.get("item_total", "")
    row["fund_parts"] = _fund_parts(message, info, words["fund"])
    return row


def _first(record: Mapping[str, Any], names: Sequence[str]) -> str:
    for name in names:
        value = record.get(name)
        if value is not None and str(value).strip():
            return str(value).strip()
    return ""


def _whole_years(age: str) -> str:
    """The list gives years with a decimal (65.0); the case table wants whole ones."""
    whole, _, rest = age.partition(".")
    return whole if whole.isdigit() and rest.isdigit() else age


def _records(message: Mapping[str, Any], names: Sequence[str]) -> list[Mapping[str, Any]]:
    for name in names:
        node = message.get(name)
        if isinstance(node, dict):
            return [node]
        if isinstance(node, list):
            return [record for record in node if isinstance(record, dict)]
    return []


def _codes(records: Sequence[Mapping[str, Any]], spec: Words) -> str:
    """Codes joined by ``|``, the main one first; an empty first code where none is marked."""
    kept = [one for one in records if _first(one, spec["kind"]) not in (*spec["left_out"],)]
    main = [one for one in kept if _first(one, spec["main"]) in spec["main_values"]]
    others = [one for one in kept if not any(one is first for first in main)]
    codes = [_first(one, spec["code"]) for one in (*main[:1], *others, *main[1:])]
    if not main and codes and any(_first(one, spec["main"]) for one in kept):
        codes = ["", *codes]
    return "|".join(codes)


def _fees(records: Sequence[Mapping[str, Any]], spec: Words) -> dict[str, str]:
    if not records:
        return {}
    sums: dict[str, Decimal] = {}
    for record in records:
        amount = _amount(_first(record, spec["amount"]))
        if amount is None:
            return {}  # the sum would be of less than all
        kind = _first(record, spec["kind"]).zfill(2)
        name = spec["classes"].get(kind)
        if name is not None:
            sums[name] = sums.get(name, Decimal(0)) + amount
        sums["item_total"] = sums.get("item_total", Decimal(0)) + amount
    return {name: str(total) for name, total in sums.items()}


def _fund_parts(message: Mapping[str, Any], info: Mapping[str, Any], spec: Words) -> str:
    amounts = [_amount(_first(info, [name])) for name in spec["fields"]]
    told = [amount for amount in amounts if amount is not None]
    if not told:
        records = _records(message, spec["node"])
        told = [a for a in (_amount(_first(r, spec["amount"])) for r in records) if a is not None]
    return str(sum(told, Decimal(0))) if told else ""


def _amount(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None

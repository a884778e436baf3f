"""Tables and lists that a policy keeps in files beside it: direct table, means, lists of codes.

Each ``*_file`` key names a CSV or Excel file in the policy's folder.  Its rows join what the policy
says itself, which goes first.  Rows may be dated: those in force while the policy is are used; one
that is in force for only part of that time is a fault, because a policy file has one set of
figures (write a policy for each time, or end the policy when the table ends).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from drg_engine.errors import Fault, InputError

__all__ = ["FILE_KEYS", "FileRow", "PolicyFile", "merged", "named_files", "read_policy_file"]

_EPOCH = dt.date(1970, 1, 1)
_SUFFIXES = (".csv", ".xlsx")


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a file's rows become values: its table in data/fit.toml, the key column, the value's."""

    table: str
    key: str
    value: str | None = None


_MEANS = _Kind("policy_means", "drg", "mean")
_DRGS = _Kind("policy_drgs", "drg")
_DX = _Kind("policy_dx", "dx")

FILE_KEYS: Mapping[str, tuple[str, _Kind]] = {
    "standard.prices_file": ("prices", _Kind("policy_prices", "drg", "standard")),
    "standard.means_file": ("means", _MEANS),
    "coefficient.by_hospital_file": (
        "by_hospital",
        _Kind("policy_hospitals", "hospital", "coefficient"),
    ),
    "coefficient.by_drg_file": ("by_drg", _Kind("policy_drg_levels", "drg", "coefficient")),
    "coefficient.base_list_file": ("base_list", _DRGS),
    "scope[].dx_file": ("dx_prefixes", _DX),
    "scope[].drgs_file": ("drgs", _DRGS),
    "bed_day[].drgs_file": ("drgs", _DRGS),
    "readmission.except_file": ("except_dx", _DX),
    "extra[].means_file": ("means", _MEANS),
    "tcm.drgs_file": ("drgs", _DRGS),
}
"""Pattern of each key that names a file: the key beside it that the rows join, and what they are.

The list of tables is complete: a test holds it to the model.
"""


@dataclass(frozen=True, slots=True)
class FileRow:
    """One row: its number in the file, code, hospital level (0 any), insurance ("" any), value."""

    row: int
    code: str
    level: int = 0
    insurance: str = ""
    value: float | None = None


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """A file read: the rows in force with the policy, and how many others there were."""

    name: str
    span: tuple[dt.date, dt.date | None]
    content_hash: str
    rows: tuple[FileRow, ...]
    other_times: int

    def row_of(self, code: str) -> int | None:
        """Number of the first row with the code."""
        return next((row.row for row in self.rows if row.code == code), None)


def named_files(data: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """File keys that a policy's data says: (dotted key, pattern, file name)."""
    for pattern in FILE_KEYS:
        section, _, name = pattern.rpartition(".")
        held = data.get(section.removesuffix("[]"))
        if section.endswith("[]"):
            for index, entry in enumerate(held or ()):
                if isinstance(entry, Mapping) and entry.get(name) is not None:
                    yield f"{section[:-2]}[{index}].{name}", pattern, entry[name]
        elif isinstance(held, Mapping) and held.get(name) is not None:
            yield f"{section}.{name}", pattern, held[name]


def read_policy_file(
    folder: Path | None, key: str, pattern: str, name: str, span: tuple[dt.date, dt.date | None]
) -> PolicyFile:
    """Read the file ``name`` beside the policy, for the policy's ``span`` (to: not included).

    Raises InputError with every fault: the path, the columns, cells, repeats, dates.
    """
    path = _path(folder, key, name)
    kind = FILE_KEYS[pattern][1]
    from drg_engine.files import file_sha256
    from drg_engine.fit_inputs import read_fit_table

    table = read_fit_table(path, kind.table)
    codes = table.text(kind.key)
    kinds = table.text("insurance")
    levels = table.level().tolist()
    faults: list[Fault] = []
    rows: list[FileRow] = []
    others = 0
    seen: dict[tuple[str, int, str], int] = {}
    dates = [
        [_day(value) for value in table.numbers[at].tolist()] if at in table.numbers else None
        for at in ("effective_from", "effective_to")
    ]
    amounts = _values(table, kind)
    for place, number in enumerate(table.rows.tolist()):
        code = codes.names[codes.codes[place]] if codes.codes[place] >= 0 else ""
        fault = _row_fault(name, number, kind, code, amounts[place], pattern)
        begin, end = (None if column is None else column[place] for column in dates)
        covers = _covers(begin, end, span)
        if fault is None and covers is None:
            words = f"{begin or '…'} 至 {end or '…'}，政策为 {span[0]} 至 {span[1] or '…'}"
            mend = "一份政策只有一套数：按日期分写两份政策，或改日期"
            fault = Fault(name, "该行只在政策有效期的一部分有效", number, "生效日期", words, mend)
        if fault is None and covers:
            insurance = kinds.names[kinds.codes[place]] if kinds.codes[place] >= 0 else ""
            entry = (code, levels[place], insurance)
            if entry in seen:
                words = " ".join([code, str(levels[place] or ""), insurance]).strip()
                mend = f"第 {seen[entry]} 行已有；删去其中一行"
                fault = Fault(name, "重复", number, _title(kind.key), words, mend)
            seen[entry] = number
            rows.append(FileRow(number, code, levels[place], insurance, amounts[place]))
        others += covers is False
        if fault is not None:
            faults.append(fault)
    if not rows and not faults:
        message = "没有一行" if not others else f"{others} 行都不在政策有效期内"
        faults.append(Fault(name, message, column=key))
    if faults:
        raise InputError(f"{name} 不能用", faults)
    return PolicyFile(name, span, file_sha256(path), tuple(rows), others)


def merged(data: Mapping[str, Any], files: Mapping[str, PolicyFile]) -> dict[str, Any]:
    """The data of a policy with the files' rows joined to its own, and without the file keys."""
    whole = {name: _copied(value) for name, value in data.items()}
    for key, pattern, _ in list(named_files(whole)):
        head, _, name = key.rpartition(".")
        section, _, index = head.partition("[")
        place = whole[section][int(index[:-1])] if index else whole[section]
        del place[name]
        target = FILE_KEYS[pattern][0]
        place[target] = _joined(target, files[key].rows, place.get(target))
    return whole


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _copied(entry) for name, entry in value.items()}
    return tuple(_copied(entry) for entry in value) if isinstance(value, list | tuple) else value


def _joined(target: str, rows: Sequence[FileRow], own: Any) -> Any:
    """Rows of a file and what the policy says itself, which goes before or after them."""
    if target == "prices":
        return (*(_price(row) for row in rows), *(own or ()))
    if target == "by_drg":
        levels: dict[str, dict[str, Any]] = {}
        for row in sorted(rows, key=lambda one: one.level):
            every = (row.level,) if row.level else (1, 2, 3)
            levels.setdefault(row.code, {}).update({str(level): row.value for level in every})
        for code, said in (own or {}).items():
            levels.setdefault(code, {}).update(said)
        return levels
    if all(row.value is not None for row in rows):
        return {row.code: row.value for row in rows} | dict(own or {})
    return tuple(dict.fromkeys([*(own or ()), *(row.code for row in rows)]))


def _price(row: FileRow) -> dict[str, Any]:
    said: dict[str, Any] = {"drg": row.code, "yuan": row.value}
    if row.level:
        said["level"] = str(row.level)
    if row.insurance:
        said["insurance"] = row.insurance
    return said


def _path(folder: Path | None, key: str, name: str) -> Path:
    """The file in the policy's folder.  Raises InputError where the name leads elsewhere."""
    mend = "写政策文件所在文件夹里的文件名，如 prices.csv"
    if folder is None:
        raise InputError("找不到文件", [Fault(name, "政策不是文件，旁边没有表", column=key)])
    if ".." in PurePosixPath(name).parts or not (folder / name).resolve().is_relative_to(
        folder.resolve()
    ):
        fault = Fault(name, "文件须在政策文件所在的文件夹里", column=key, mend=mend)
        raise InputError("找不到文件", [fault])
    if PurePosixPath(name).suffix.lower() not in _SUFFIXES:
        found = PurePosixPath(name).suffix or "没有"
        mend = f"可用：{'、'.join(_SUFFIXES)}"
        raise InputError("找不到文件", [Fault(name, "扩展名不能用", None, key, found, mend)])
    if not (folder / name).is_file():
        raise InputError("找不到文件", [_absent(folder, key, name, mend)])
    return folder / name


def _absent(folder: Path, key: str, name: str, mend: str) -> Fault:
    import difflib

    there = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    near = difflib.get_close_matches(name, there, 1)
    mend = f"是否想写 {near[0]}？" if near else mend
    return Fault(name, "政策文件旁没有这个文件", column=key, mend=mend)


def _values(table: Any, kind: _Kind) -> list[float | None]:
    """Values by row, yuan where they are money; None for a file of codes, or where empty."""
    if kind.value is None:
        return [None] * table.n
    if kind.value in table.fen:
        from drg_engine.money import MISSING_FEN

        return [None if fen == MISSING_FEN else fen / 100 for fen in table.fen[kind.value].tolist()]
    return [None if value != value else value for value in table.numbers[kind.value].tolist()]  # noqa: PLR0124 -- NaN


def _row_fault(
    name: str, row: int, kind: _Kind, code: str, value: float | None, pattern: str
) -> Fault | None:
    if not code:
        return Fault(name, "不能为空", row, _title(kind.key))
    if any(mark.isspace() for mark in code):
        return Fault(name, "编码中间有空格", row, _title(kind.key), code)
    if kind.value is None:
        return None
    if value is None:
        return Fault(name, "不能为空", row, _title(kind.value))
    least_is_zero = pattern == "extra[].means_file"
    if value < 0 or (value == 0 and not least_is_zero):
        expected = "应为 0 或正数" if least_is_zero else "应为正数"
        return Fault(name, expected, row, _title(kind.value), f"{value:g}")
    return None


def _title(column: str) -> str:
    from drg_engine.fit_inputs import fit_data

    return str(fit_data()["columns"][column]["title"])


def _day(value: float) -> dt.date | None:
    return None if value != value else _EPOCH + dt.timedelta(days=int(value))  # noqa: PLR0124 -- NaN


def _covers(
    begin: dt.date | None, end: dt.date | None, span: tuple[dt.date, dt.date | None]
) -> bool | None:
    """Whether a row is in force while the policy is; None for part of the time."""
    start, stop = begin or dt.date.min, end or dt.date.max
    first, last = span[0], span[1] or dt.date.max
    if stop <= first or start >= last:
        return False
    return True if start <= first and stop >= last else None

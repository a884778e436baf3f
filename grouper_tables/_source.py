"""A scheme's files as they lie in its folder: manifest, tables, inheritance from a base, hashes."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drg_engine.code_form import normal_code
from drg_engine.errors import Fault, TableError
from drg_engine.toml_faults import read_toml

__all__ = [
    "COLUMNS",
    "SCHEMES",
    "Manifest",
    "SchemeSource",
    "Table",
    "code_list_folder",
    "read_source",
    "scheme_folder",
    "scheme_names",
]

PACKAGE = Path(__file__).resolve().parent
SCHEMES = PACKAGE / "schemes"

COLUMNS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "mdc": (("mdc", "rank", "name"), ()),
    "mdc_entry": (("mdc", "option", "alternative", "condition", "value"), ()),
    "mdc_diagnoses": (("mdc", "site", "code"), ()),
    "adrg": (("adrg", "mdc", "rank", "partition", "name"), ()),
    "rules": (("adrg", "alternative", "condition", "value"), ()),
    "diagnosis_sets": (("set", "code"), ()),
    "procedure_sets": (("set", "code"), ()),
    "groups": (("drg", "adrg", "severity", "name"), ("weight", "parent")),
    "group_rules": (("drg", "alternative", "condition", "value"), ()),
    "complications": (("code", "level", "exclusion"), ()),
    "exclusions": (("exclusion", "code"), ()),
    "or_procedures": (("code",), ()),
    "rates": (
        ("insurance", "yuan_per_weight"),
        ("hospital_class", "effective_from", "effective_to", "source"),
    ),
}
"""Each table's required and optional columns."""

OPTIONAL_TABLES = frozenset({"group_rules", "rates"})

OPTIONS: Mapping[str, tuple[Any, ...]] = {
    "newborn_entry": ("age", "principal_dx"),
    "hiv_entry": ("any", "principal"),
    "delivery_entry": ("any_z37", "principal_dx"),
    "ambiguous_groups": (True, False),
    "gray_codes": ("reject", "ignore"),
    "clinical_codes": (False, True),
}
"""Each option's values, the default first."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a scheme says of itself in ``scheme.toml``, options filled in from base and defaults."""

    name: str
    title: str
    edition: str
    authority: str
    document: str
    effective_from: dt.date | None
    effective_to: dt.date | None
    base: str | None
    options: Mapping[str, Any]
    ungrouped_code: str
    ambiguous_suffix: str
    provenance: Mapping[str, str]
    tables_sha256: str | None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under named columns; ``origins`` gives file and row of each for messages."""

    name: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    origins: list[tuple[str, int]]

    def where(self, row: int) -> tuple[str, int]:
        """File name and row number (the heading is row 1) of ``rows[row]``."""
        return self.origins[row]

    def column(self, name: str, default: str = "") -> list[str]:
        """One column as text, or ``default`` for each row where the table has no such column."""
        if name not in self.columns:
            return [default] * len(self.rows)
        place = self.columns.index(name)
        return [row[place] for row in self.rows]

    def pick(self, *names: str) -> Iterator[tuple[str, ...]]:
        """Rows reduced to the named columns."""
        return zip(*(self.column(name) for name in names), strict=True)


@dataclass(frozen=True, slots=True)
class SchemeSource:
    """A scheme read from its folder and its bases' folders."""

    manifest: Manifest
    folder: Path
    tables: Mapping[str, Table]
    codes: Mapping[str, Table]
    tables_hash: str
    own_tables_hash: str
    faults: list[Fault] = field(default_factory=list)


def scheme_names() -> tuple[str, ...]:
    """Names of the schemes that ship with the engine, sorted."""
    return tuple(sorted(path.parent.name for path in SCHEMES.glob("*/scheme.toml")))


def code_list_folder() -> Path:
    """Folder of the code lists and crosswalks that all schemes share."""
    return PACKAGE / "codes"


def scheme_folder(name: str | Path) -> Path:
    """Folder of a scheme given by its shipped name or by a path.

    Raises TableError with the known names where there is none.
    """
    shipped = SCHEMES / str(name)
    for folder in (shipped, Path(name)):
        if (folder / "scheme.toml").is_file():
            return folder.resolve()
    known = "、".join(scheme_names())
    raise TableError(
        f"没有名为“{name}”的分组方案。可用：{known}；也可给出含 scheme.toml 的文件夹路径"
    )


def folders_of(folder: Path) -> list[Path]:
    """The scheme's folder and its bases', nearest first.  Raises TableError on a circle."""
    chain: list[Path] = []
    current: Path | None = folder
    while current is not None:
        if current in chain:
            raise TableError(f"{current.name}/scheme.toml：base 互相引用，成了环")
        chain.append(current)
        base = _read_toml(current / "scheme.toml").get("base")
        if base is None:
            current = None
        else:
            sibling = current.parent / str(base)
            is_sibling = (sibling / "scheme.toml").is_file()
            current = sibling.resolve() if is_sibling else scheme_folder(str(base))
    return chain


def tables_hash(folder: Path) -> str:
    """SHA-256 over everything a scheme is made from: manifests, tables and shared code lists."""
    digest = hashlib.sha256()
    for place in (*folders_of(folder), code_list_folder()):
        for path in sorted([*place.glob("*.csv"), *place.glob("scheme.toml")]):
            _hash_file(digest, path)
    return digest.hexdigest()


def own_tables_hash(folder: Path) -> str:
    """SHA-256 over the tables in one scheme's own folder, without its manifest."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.csv")):
        _hash_file(digest, path)
    return digest.hexdigest()


def _hash_file(digest: Any, path: Path) -> None:
    content = path.read_bytes().replace(b"\r\n", b"\n")
    digest.update(f"{path.name}:{len(content)}\n".encode())
    digest.update(content)


def read_manifest(folder: Path) -> Manifest:
    """Read a scheme's manifest with its bases' options beneath it.  Raises TableError."""
    chain = folders_of(folder)
    documents = [_read_toml(place / "scheme.toml") for place in chain]
    own = documents[0]
    faults: list[Fault] = []
    options: dict[str, Any] = {name: values[0] for name, values in OPTIONS.items()}
    result_codes: dict[str, str] = {"ungrouped": "0000", "ambiguous_suffix": "QY"}
    for place, document in zip(reversed(chain), reversed(documents), strict=True):
        _merge_options(options, _section(document, "options", place), place, faults)
        result_codes.update(_section(document, "result_codes", place))
    faults.extend(_manifest_faults(own, f"{folder.name}/scheme.toml"))
    if faults:
        raise TableError(f"分组方案 {folder.name} 的说明文件有误", faults)
    return Manifest(
        name=own["name"],
        title=own["title"],
        edition=str(own["edition"]),
        authority=own["authority"],
        document=own["document"],
        effective_from=own["effective_from"],
        effective_to=own.get("effective_to"),
        base=own.get("base"),
        options=options,
        ungrouped_code=result_codes["ungrouped"],
        ambiguous_suffix=result_codes["ambiguous_suffix"],
        provenance=_section(own, "provenance", folder),
        tables_sha256=own.get("tables_sha256"),
    )


def _manifest_faults(own: Mapping[str, Any], file: str) -> Iterator[Fault]:
    for key in ("name", "title", "edition", "authority", "document", "effective_from"):
        if key not in own:
            yield Fault(file, f"缺少必填项 {key}")
        elif key == "effective_from":
            if not isinstance(own[key], dt.date):
                yield Fault(file, "应为日期，如 2024-01-01（不加引号）", column=key)
        elif not isinstance(own[key], str):
            yield Fault(file, "应为加引号的文字", column=key, found=str(own[key]))


def _section(document: Mapping[str, Any], name: str, place: Path) -> Mapping[str, Any]:
    """A table of the manifest, empty where it is not there.  Raises TableError for another kind."""
    section = document.get(name, {})
    if not isinstance(section, Mapping):
        fault = Fault(f"{place.name}/scheme.toml", f"{name} 应写作 [{name}] 一节")
        raise TableError(f"分组方案 {place.name} 的说明文件有误", [fault])
    return section


def _merge_options(
    options: dict[str, Any], given: Mapping[str, Any], place: Path, faults: list[Fault]
) -> None:
    for name, value in given.items():
        file = f"{place.name}/scheme.toml"
        if name not in OPTIONS:
            known = "、".join(OPTIONS)
            faults.append(Fault(file, f"没有选项 {name}", mend=f"可用选项：{known}"))
        elif value not in OPTIONS[name]:
            allowed = "、".join(str(v) for v in OPTIONS[name])
            faults.append(Fault(file, f"选项 {name} 只能取 {allowed}", found=str(value)))
        else:
            options[name] = value


def with_options(manifest: Manifest, given: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest's options with ``given`` over them.  Raises TableError for an unknown one."""
    options = dict(manifest.options)
    faults: list[Fault] = []
    _merge_options(options, given, Path(manifest.name), faults)
    if faults:
        raise TableError("分组选项有误", faults)
    return options


def _read_toml(path: Path) -> dict[str, Any]:
    return read_toml(path, TableError, f"{path.parent.name}/{path.name} 读不出来")


def read_table(path: Path, columns: tuple[str, ...], faults: list[Fault]) -> Table:
    """Read one CSV table as trimmed text; missing columns and short rows go to ``faults``."""
    label = f"{path.parent.name}/{path.name}"
    table = Table(path.stem, columns, [], [])
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            table = _table_of(csv.reader(stream), path.stem, columns, label, faults)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        faults.append(Fault(label, "读不出来，应为 UTF-8 编码的 CSV", found=str(error)))
    return table


def _table_of(
    reader: Any, name: str, columns: tuple[str, ...], label: str, faults: list[Fault]
) -> Table:
    heading = tuple(cell.strip() for cell in next(reader, []))
    missing = [column for column in columns if column not in heading]
    if missing:
        found = ",".join(heading)
        faults.append(Fault(label, f"缺少列 {'、'.join(missing)}", row=1, found=found))
        return Table(name, columns, [], [])
    rows: list[tuple[str, ...]] = []
    origins: list[tuple[str, int]] = []
    for cells in reader:
        row = tuple(map(str.strip, cells))
        if not any(row):
            continue
        if len(row) != len(heading):
            message = f"应有 {len(heading)} 列，实有 {len(row)} 列"
            faults.append(Fault(label, message, row=reader.line_num, found=",".join(row)))
            continue
        rows.append(row)
        origins.append((label, reader.line_num))
    return Table(name, heading, rows, origins)


def read_source(folder: Path) -> SchemeSource:
    """Read all tables of the scheme in ``folder``, its bases' beneath them.

    Raises TableError with every fault where files, columns or rows are missing.
    """
    manifest = read_manifest(folder)
    faults: list[Fault] = []
    chain = folders_of(folder)
    tables = {name: _read_inherited(name, chain, faults) for name in COLUMNS}
    lists = code_list_folder()
    codes = {path.stem: read_table(path, (), faults) for path in sorted(lists.glob("*.csv"))}
    if faults:
        raise TableError(f"分组方案 {manifest.name} 的表格有误", faults)
    listed = {code for name in ("diagnoses", "procedures") for code in codes[name].column("code")}
    tables = {name: _in_normal_form(table, listed) for name, table in tables.items()}
    return SchemeSource(
        manifest, folder, tables, codes, tables_hash(folder), own_tables_hash(folder)
    )


def _in_normal_form(table: Table, listed: set[str]) -> Table:
    """The table with its codes as cases have them; those of the code lists are so already."""
    if "code" not in table.columns:
        return table
    place = table.columns.index("code")
    forms = {code: normal_code(code) for code in {row[place] for row in table.rows} - listed}
    if all(code == form for code, form in forms.items()):
        return table
    rows = [
        (*row[:place], forms.get(row[place], row[place]), *row[place + 1 :]) for row in table.rows
    ]
    return Table(table.name, table.columns, rows, table.origins)


def _read_inherited(name: str, chain: list[Path], faults: list[Fault]) -> Table:
    """The nearest folder's full table, with the changes of the folders nearer than it."""
    required, optional = COLUMNS[name]
    changes: list[Table] = []
    for place in chain:
        edits = place / f"{name}.changes.csv"
        if edits.is_file():
            changes.append(read_table(edits, ("change", *required), faults))
        full = place / f"{name}.csv"
        if full.is_file():
            table = read_table(full, required, faults)
            break
    else:
        table = Table(name, (*required, *optional), [], [])
        if name not in OPTIONAL_TABLES:
            faults.append(Fault(f"{chain[0].name}/{name}.csv", "缺少这张表"))
    for edit in reversed(changes):
        table = _edited(table, edit, required, faults)
    return table


def _edited(table: Table, edit: Table, required: tuple[str, ...], faults: list[Fault]) -> Table:
    """Apply rows marked add and remove.  A row is removed by its required columns."""
    new = tuple(name for name in edit.columns if name not in (*table.columns, "change"))
    if new:
        blank = ("",) * len(new)
        rows = [(*row, *blank) for row in table.rows]
        table = Table(table.name, (*table.columns, *new), rows, table.origins)
    places = [table.columns.index(name) for name in required]
    removed: dict[tuple[str, ...], tuple[str, int]] = {}
    added: list[tuple[tuple[str, ...], tuple[str, int]]] = []
    column = {name: edit.column(name) for name in (*table.columns, "change")}
    for i, change in enumerate(column["change"]):
        row = tuple(column[name][i] for name in table.columns)
        if change == "add":
            added.append((row, edit.where(i)))
        elif change == "remove":
            removed[tuple(row[p] for p in places)] = edit.where(i)
        else:
            file, line = edit.where(i)
            faults.append(Fault(file, "change 只能写 add 或 remove", line, "change", change))
    found: set[tuple[str, ...]] = set()
    rows = []
    origins: list[tuple[str, int]] = []
    for row, origin in zip(table.rows, table.origins, strict=True):
        key = tuple(row[p] for p in places)
        if key in removed:
            found.add(key)
        else:
            rows.append(row)
            origins.append(origin)
    for key, (file, line) in removed.items():
        if key not in found:
            faults.append(Fault(file, "要删除的行在原表中没有", line, found=",".join(key)))
    for row, origin in added:
        rows.append(row)
        origins.append(origin)
    return Table(table.name, table.columns, rows, origins)

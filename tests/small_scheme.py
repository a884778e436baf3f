"""A small scheme to write, change and load: two MDCs, a few ADRGs, every table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import oracle
import pytest
from case_factory import write_scheme
from oracle import Oracle, Result, Row
from test_grouping_random import differences, engine_results

from drg_engine import Scheme, load_scheme

FEW = {
    "diagnoses": ("B10", "B99", "I10.x00", "Z37.000", "X1"),
    "procedures": ("1.1", "7.7", "9.9"),
}


@pytest.fixture
def few_codes(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code lists of a few codes, for engine and oracle, so that a small scheme loads quickly."""
    folder = tmp_path_factory.mktemp("codes")
    for name, codes in FEW.items():
        lines = ["code,grey,name", *(f"{code},0,-" for code in codes)]
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    for name in ("diagnosis", "procedure"):
        (folder / f"{name}_crosswalk.csv").write_text("clinical,insurance\n")
    monkeypatch.setattr("grouper_tables._source.code_list_folder", lambda: folder)
    monkeypatch.setattr(oracle, "code_list", lambda name: oracle.read_csv(folder / f"{name}.csv"))


Tables = dict[str, list[str]]

OPTIONS = '[options]\ngray_codes = "ignore"\n'
SMALL: Mapping[str, Sequence[str]] = {
    "mdc": ["mdc,rank,name", "A,1,first", "B,2,nerves"],
    "mdc_entry": [
        "mdc,option,alternative,condition,value",
        "A,,1,always,",
        "B,,1,principal_dx,@mdc",
    ],
    "mdc_diagnoses": ["mdc,site,code", "B,,B10", "B,,B20", "B,head,B30", "B,arm,B40", "B,leg,B50"],
    "adrg": [
        "adrg,mdc,rank,partition,name",
        "AA1,A,1,surgical,transplant",
        "BA1,B,1,surgical,brain",
        "BK1,B,2,procedure,probe",
        "BR1,B,3,medical,stroke",
    ],
    "rules": [
        "adrg,alternative,condition,value",
        "AA1,1,principal_proc,AA1.proc",
        "BA1,1,principal_proc,BA1.proc",
        "BK1,1,any_proc,BK1.proc",
        "BR1,1,principal_dx,BR1.dx",
    ],
    "diagnosis_sets": ["set,code", "BR1.dx,B10", "BR1.dx,B20", "two.dx,B20", "other.dx,C10"],
    "procedure_sets": ["set,code", "AA1.proc,33.1", "BA1.proc,1.1", "BA1.proc,1.2", "BK1.proc,2.1"],
    "groups": [
        "drg,adrg,severity,name,weight,parent",
        "AA19,AA1,all,transplant,10,",
        "BA11,BA1,mcc,brain mcc,4,",
        "BA15,BA1,none,brain,3,",
        "BK19,BK1,all,probe,2,",
        "BR11,BR1,mcc,stroke mcc,1.5,",
        "BR13,BR1,cc,stroke cc,1,",
        "BR15,BR1,none,stroke,,",
    ],
    "complications": ["code,level,exclusion", "C10,mcc,1", "C20,cc,2", "B20,cc,9"],
    "exclusions": ["exclusion,code", "1,B20", "2,B30"],
    "or_procedures": ["code", "1.1", "1.2", "33.1", "9.9"],
}


def small(**more: Sequence[str]) -> Tables:
    """The small scheme's tables; lines given by table are added at its end."""
    tables = {name: list(lines) for name, lines in SMALL.items()}
    for name, lines in more.items():
        tables.setdefault(name, []).extend(lines)
    return tables


def written(folder: Path, tables: Mapping[str, Sequence[str]], options: str = OPTIONS) -> Path:
    """Write the tables as a scheme's folder."""
    return write_scheme(folder, tables, options)


def loaded(folder: Path, **options: Any) -> Scheme:
    """Load a scheme with a cache of its own beside it."""
    return load_scheme(folder, cache=folder.parent / "cache", options=options)


def agreed(folder: Path, rows: Sequence[Row], **options: Any) -> list[Result]:
    """Results of rows, which engine and oracle must both give."""
    full = [{**BLANK, "case_id": str(i), **row} for i, row in enumerate(rows)]
    expected = list(Oracle(folder, options).group_rows(full))
    assert differences(full, expected, engine_results(full, loaded(folder, **options))) == []
    return expected


BLANK = {
    "case_id": "", "sex": "1", "age": "50", "age_days": "", "birth_weight": "", "los": "",
    "discharge_mode": "", "icu_hours": "", "vent_hours": "", "diagnoses": "", "procedures": "",
    "flags": "",
}  # fmt: skip
"""A case's columns with nothing special in them."""

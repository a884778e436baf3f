"""Reconciliation: the published day, planted faults, and an independent plain reading."""

from __future__ import annotations

import csv
import json
import random
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drg_engine.errors import InputError
from drg_engine.reconcile import CATEGORY, CAUSES, Reconciliation, reconcile
from drg_engine.settlement_files import read_settlements

DAY = Path(__file__).parent / "data" / "reconcile" / "published_day.csv"
HEADINGS = (
    "结算编号", "原结算编号", "冲正标志", "险种", "结算经办机构", "清算类别",
    "医疗费总额", "基金支付总额", "个人账户支付",
)  # fmt: skip
AMOUNTS = HEADINGS[-3:]
Row = dict[str, str]


def _yuan(fen: int) -> str:
    sign = "-" if fen < 0 else ""
    return f"{sign}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def _fen(text: str) -> int:
    return int(Decimal(text) * 100)


def _parts(total: int, count: int, draw: random.Random) -> list[int]:
    cuts = sorted(draw.randint(0, total) for _ in range(count - 1))
    return [b - a for a, b in zip([0, *cuts], [*cuts, total], strict=True)]


def _published_day() -> list[dict[str, str]]:
    with DAY.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _day_settlements(seed: int = 20261101) -> list[Row]:
    """The published day's sums cut into as many settlements as it counts."""
    draw = random.Random(seed)
    rows: list[Row] = []
    for line in _published_day():
        count = int(line["笔数"])
        amounts = [_parts(_fen(line[name]), count, draw) for name in AMOUNTS]
        for at in range(count):
            row = dict.fromkeys(HEADINGS, "")
            row |= {name: line[name] for name in ("险种", "结算经办机构", "清算类别")}
            row |= {n: _yuan(part[at]) for n, part in zip(AMOUNTS, amounts, strict=True)}
            row["结算编号"] = f"S{len(rows):06d}"
            rows.append(row)
    return rows


def _written(path: Path, rows: list[Row]) -> Path:
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.DictWriter(stream, HEADINGS)
        writer.writeheader()
        writer.writerows(rows)
    return path


def _reconciled(folder: Path, hospital: list[Row], bureau: list[Row]) -> Reconciliation:
    return reconcile(
        read_settlements(_written(folder / "医院.csv", hospital)),
        read_settlements(_written(folder / "医保.csv", bureau)),
    )


def _undone(row: Row, number: str) -> Row:
    back = {name: _yuan(-_fen(row[name])) for name in AMOUNTS}
    return row | back | {"结算编号": number, "原结算编号": row["结算编号"], "冲正标志": "1"}


def test_the_published_day_is_even_in_all_ten_rows(tmp_path: Path) -> None:
    rows = _day_settlements()
    shuffled = random.Random(7).sample(rows, len(rows))
    found = _reconciled(tmp_path, rows, shuffled)
    assert found.even
    assert found.summary["even"].tolist() == [True] * 10
    wanted = {
        (line["险种"], line["结算经办机构"], line["清算类别"]): (
            *(_fen(line[name]) for name in AMOUNTS), int(line["笔数"]),
        )
        for line in _published_day()
    }  # fmt: skip
    for side in ("hospital", "bureau"):
        told = {
            tuple(row[name] for name in CATEGORY): (
                row[f"charges_fen_{side}"], row[f"fund_fen_{side}"], row[f"account_fen_{side}"],
                row[f"cases_{side}"],
            )
            for row in found.summary.to_dict("records")
        }  # fmt: skip
        assert told == wanted
    totals = found.summary[["charges_fen_bureau", "fund_fen_bureau", "account_fen_bureau"]].sum()
    assert totals.tolist() == [41138958, 23763489, 3884584]
    assert int(found.summary["cases_bureau"].sum()) == 686


def test_fifty_planted_faults_are_each_found_and_none_invented(tmp_path: Path) -> None:
    hospital = _day_settlements()
    bureau = [dict(row) for row in hospital]
    draw = random.Random(50)
    chosen = draw.sample([row["结算编号"] for row in hospital], 50)
    kinds = [cause for cause in CAUSES if cause != "equal"]
    planted = {setl_id: kinds[at % len(kinds)] for at, setl_id in enumerate(chosen)}
    assert set(planted.values()) == set(kinds)
    sides: dict[str, dict[str, Row]] = {
        "hospital": {row["结算编号"]: row for row in hospital},
        "bureau": {row["结算编号"]: row for row in bureau},
    }
    extra: dict[str, list[Row]] = {"hospital": [], "bureau": []}
    for setl_id, cause in planted.items():
        kind, _, side = cause.partition("_")
        other = "bureau" if side == "hospital" else "hospital"
        if kind == "duplicate":
            extra[side].append(dict(sides[side][setl_id]))
        elif kind == "reversed":
            extra[other].append(_undone(sides[other][setl_id], f"R{setl_id}"))
        elif kind == "only":
            del sides[other][setl_id]
        elif kind == "amounts":
            row = sides["bureau"][setl_id]
            row["基金支付总额"] = _yuan(_fen(row["基金支付总额"]) + draw.choice((-1, 1)))
        else:
            sides["bureau"][setl_id]["清算类别"] = "慢病"
    # Settled and undone on both sides: nothing to tell.
    quiet = next(row for row in hospital if row["结算编号"] not in planted)
    for side, numbers in (("hospital", "RH"), ("bureau", "RB")):
        extra[side].append(_undone(quiet, numbers))
    found = _reconciled(
        tmp_path,
        [*sides["hospital"].values(), *extra["hospital"]],
        [*sides["bureau"].values(), *extra["bureau"]],
    )
    told = dict(zip(found.differences["setl_id"], found.differences["cause"], strict=True))
    assert told == planted
    assert found.counts["equal"] == 686 - 50
    assert not found.even


def _plain_reading(hospital: list[Row], bureau: list[Row]) -> dict[str, str]:
    """What each settlement came to, read one by one."""
    found: dict[str, dict[str, list[Row]]] = defaultdict(lambda: {"h": [], "b": []})
    for side, rows in (("h", hospital), ("b", bureau)):
        for row in rows:
            undoes = row["冲正标志"] == "1" or row["医疗费总额"].startswith("-")
            key = row["原结算编号"] if undoes and row["原结算编号"] else row["结算编号"]
            found[key][side].append(row | {"undoes": "1" if undoes else ""})
    causes = {}
    for key, sides in found.items():
        net = {s: sum(-1 if r["undoes"] else 1 for r in rows) for s, rows in sides.items()}
        undone = {s: any(r["undoes"] for r in rows) for s, rows in sides.items()}
        sums = {
            s: tuple(
                sum(-abs(_fen(r[n])) if r["冲正标志"] == "1" else _fen(r[n]) for r in rows)
                for n in AMOUNTS
            )
            for s, rows in sides.items()
        }
        if net["h"] > 1:
            cause = "duplicate_hospital"
        elif net["b"] > 1:
            cause = "duplicate_bureau"
        elif sides["h"] and undone["b"] and net["b"] <= 0 < net["h"]:
            cause = "reversed_hospital"
        elif sides["b"] and undone["h"] and net["h"] <= 0 < net["b"]:
            cause = "reversed_bureau"
        elif max(net.values()) <= 0 and sums["h"] == sums["b"]:
            cause = "equal"
        elif not sides["h"]:
            cause = "only_bureau"
        elif not sides["b"]:
            cause = "only_hospital"
        else:
            cause = "equal" if sums["h"] == sums["b"] else "amounts"
        causes[key] = cause
    return causes


_rows = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 3), st.booleans(), st.booleans()), max_size=14
)


def _random_rows(drawn: list[tuple[int, int, bool, bool]], side: str) -> list[Row]:
    rows = []
    for at, (number, fen, undoes, named) in enumerate(drawn):
        row = dict.fromkeys(HEADINGS, "")
        row |= {"险种": "310", "结算经办机构": "甲", "清算类别": "住院", "结算编号": f"S{number}"}
        row |= {name: _yuan(100 + fen) for name in AMOUNTS}
        if undoes:
            row = _undone(row, f"{side}{at}" if named else f"S{number}")
        rows.append(row)
    return rows


@given(_rows, _rows)
def test_every_settlement_comes_to_what_a_plain_reading_says(
    tmp_path_factory: pytest.TempPathFactory,
    first: list[tuple[int, int, bool, bool]],
    second: list[tuple[int, int, bool, bool]],
) -> None:
    hospital, bureau = _random_rows(first, "H"), _random_rows(second, "B")
    found = _reconciled(tmp_path_factory.mktemp("pair"), hospital, bureau)
    told = dict(zip(found.differences["setl_id"], found.differences["cause"], strict=True))
    wanted = _plain_reading(hospital, bureau)
    assert told == {key: cause for key, cause in wanted.items() if cause != "equal"}
    assert found.counts == {name: Counter(wanted.values())[name] for name in CAUSES}
    difference = found.differences["charges_fen_difference"].sum()
    assert found.summary["charges_fen_difference"].sum() == difference
    sums = [sum(abs(_fen(r["医疗费总额"])) * (-1 if r["冲正标志"] == "1" else 1) for r in rows)
            for rows in (hospital, bureau)]  # fmt: skip
    assert [int(found.summary[f"charges_fen_{side}"].sum()) for side in ("hospital", "bureau")] == (
        sums
    )


def test_packets_and_json_are_read_like_tables(tmp_path: Path) -> None:
    rows = _day_settlements()[:40]
    table = _written(tmp_path / "医院.csv", rows)
    packet = tmp_path / "result.txt"
    packet.write_text(
        "".join(
            "\t".join(("P1", "M1", r["结算编号"], "X", "0", "0", "", *(r[n] for n in AMOUNTS)))
            + "\n"
            for r in rows
        ),
        encoding="gb18030",
    )
    message = tmp_path / "returns.json"
    records = [
        {
            "setl_id": r["结算编号"], "insutype": r["险种"], "clr_optins": r["结算经办机构"],
            "clr_type": r["清算类别"], "medfee_sumamt": float(r["医疗费总额"]),
            "fund_pay_sumamt": r["基金支付总额"], "acct_pay": r["个人账户支付"],
        }
        for r in rows
    ]  # fmt: skip
    text = json.dumps({"infcode": "0", "output": {"data": records}}, ensure_ascii=False)
    message.write_text(text, encoding="utf-8")
    hospital = read_settlements(table)
    for path in (packet, message):
        found = reconcile(hospital, read_settlements(path))
        assert found.even
        assert int(found.summary["cases_bureau"].sum()) == 40


def test_a_tolerance_lets_small_differences_pass(tmp_path: Path) -> None:
    rows = _day_settlements()[:10]
    other = [dict(row) for row in rows]
    other[3]["医疗费总额"] = _yuan(_fen(other[3]["医疗费总额"]) + 1)
    hospital = read_settlements(_written(tmp_path / "a.csv", rows))
    bureau = read_settlements(_written(tmp_path / "b.csv", other))
    assert reconcile(hospital, bureau).counts["amounts"] == 1
    assert reconcile(hospital, bureau, tolerance_fen=1).even


def test_rows_that_cannot_be_read_are_told_and_counted(tmp_path: Path) -> None:
    rows = _day_settlements()[:6]
    rows[0]["结算编号"] = ""
    rows[1]["医疗费总额"] = "一百"
    rows[2]["冲正标志"] = "也许"
    rows[3]["医疗费总额"] = ""
    side = read_settlements(_written(tmp_path / "a.csv", rows))
    assert (side.read, side.n, side.rejects.row_count) == (6, 2, 4)
    told = side.rejects.lines.to_pylist()
    assert [(line["row"], line["column"]) for line in told] == [
        (2, "结算编号"), (3, "医疗费总额"), (4, "冲正标志"), (5, "医疗费总额"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("空.json", b"{}", "没有找到结算清单"),
        ("坏.json", b'{"data": [', "不是完整的 JSON"),
        ("深.json", b"[" * 100_000, "不是完整的 JSON"),
        ("缺列.csv", "结算编号,医疗费总额\n1,2\n".encode(), "基金支付总额"),
        ("别的.txt", b"a\tb\n1\t2\n", "缺少列"),
    ],
)
def test_files_that_are_no_settlements_are_refused_in_words(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_settlements(path)


def test_a_reversal_given_as_a_positive_amount_counts_as_negative(tmp_path: Path) -> None:
    row = _day_settlements()[0]
    back = row | {"冲正标志": "1"}
    side = read_settlements(_written(tmp_path / "a.csv", [row, back]))
    assert side.turned == 1
    assert int(side.amounts["charges"].sum()) == 0
    assert reconcile(side, side).even


def test_the_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    rows = _day_settlements()[:60]
    other = [dict(row) for row in rows[5:]]
    other[0]["个人账户支付"] = "99.99"
    one = _reconciled(tmp_path, rows, other)
    two = _reconciled(tmp_path, rows[::-1], other[::-1])
    columns = [name for name in one.differences.columns if not name.startswith("row_")]
    pd.testing.assert_frame_equal(one.summary, two.summary)
    pd.testing.assert_frame_equal(one.differences[columns], two.differences[columns])

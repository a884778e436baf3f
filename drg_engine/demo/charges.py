"""The charge file: who ordered and carried out each line, on which day, and the planted slips."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from drg_engine.demo.items import Catalogue
from drg_engine.demo.lines import Lines, joined_lines, outpatient_lines
from drg_engine.demo.month import Month, month_days
from drg_engine.demo.profile import Profile, Stream
from drg_engine.demo.staff import SERIES, Staff

__all__ = ["charge_table", "decimal_yuan"]

Ints = npt.NDArray[np.int64]


def decimal_yuan(fen: Ints) -> pa.Array:
    """Fen (int64) as exact yuan with two decimals (decimal128)."""
    halves = np.stack([fen, fen >> 63], axis=1).astype("<i8")
    return pa.Array.from_buffers(
        pa.decimal128(18, 2), len(fen), [None, pa.py_buffer(halves.tobytes())]
    )


_STRANGE_ITEMS, _STRANGE_PEOPLE = 12, 9


def charge_table(
    rng: Stream,
    profile: Profile,
    catalogue: Catalogue,
    month: Month,
    staff: Staff,
    case_ids: list[str],
    period: str,
    scale: float,
) -> pa.Table:
    """All charge lines of the month under Chinese headings, in the order of their dates."""
    slips = {
        name: max(1, round(count * scale)) for name, count in profile.settings["slips"].items()
    }
    wanted = round(profile.settings["volume"]["lines"] * scale)
    clinic = max(0, wanted - month.lines.n - 2 * slips["refunds"])
    lines = joined_lines([month.lines, outpatient_lines(rng, profile, catalogue, clinic)])
    first, days = month_days(period)
    inside = lines.case >= 0
    date = first + rng.integers(0, days, lines.n)
    date[inside] = month.discharge[lines.case[inside]]
    doctor = _ordering(rng, month, staff, lines)
    executing, executor = _executing(rng, profile, catalogue, staff, lines, doctor)
    amount = catalogue.price[lines.item] * lines.quantity
    item = lines.item.copy()
    chosen = _slips(rng, slips, lines.n)
    rows = chosen["unknown_items"]
    item[rows] = len(catalogue.table) + rng.integers(0, _STRANGE_ITEMS, len(rows))
    rows = chosen["unknown_people"]
    executor[rows] = len(staff.table) + rng.integers(0, _STRANGE_PEOPLE, len(rows))
    executing[chosen["unknown_departments"]] = len(profile.departments)
    rows = chosen["other_month"][~inside[chosen["other_month"]]]
    date[rows] = first - 1 - rng.integers(0, 5, len(rows))
    rows, sign = _with_refunds(date, chosen["refunds"])
    codes = [*catalogue.table["code"], *(f"98{i + 1:06d}" for i in range(_STRANGE_ITEMS))]
    units = [*profile.departments["code"], "D999"]
    people = ["", *staff.table["工号"], *(f"9990{i + 1:02d}" for i in range(_STRANGE_PEOPLE))]
    opening = int(date.min())
    day = [str(np.datetime64(number, "D")) for number in range(opening, int(date.max()) + 1)]
    return pa.table(
        {
            "收费日期": _texts(day, date[rows] - opening),
            "病案号": _texts(["", *case_ids], lines.case[rows] + 1),
            "项目编码": _texts(codes, item[rows]),
            "数量": pa.array(lines.quantity[rows] * sign),
            "金额": decimal_yuan(amount[rows] * sign),
            "开单科室": _texts(units, lines.department[rows]),
            "开单医生": _texts(people, doctor[rows] + 1),
            "执行科室": _texts(units, executing[rows]),
            "执行人": _texts(people, executor[rows] + 1),
        }
    )


def _texts(values: list[str], places: Ints) -> pa.Array:
    return pa.array(values).take(pa.array(places))


def _slips(rng: Stream, counts: dict[str, int], n: int) -> dict[str, Ints]:
    """Disjoint lines for each kind of slip."""
    order = rng.permutation(n)
    edges = np.cumsum(list(counts.values()))
    return dict(zip(counts, np.split(order, edges)[:-1], strict=True))


def _with_refunds(date: Ints, refunded: Ints) -> tuple[Ints, Ints]:
    """Rows to write and their signs: each refunded line once more, and once less; by date."""
    n = len(date)
    rows = np.concatenate([np.arange(n), refunded, refunded])
    sign = np.repeat([1, -1], [n + len(refunded), len(refunded)])
    order = np.argsort(date[rows], kind="stable")
    return rows[order], sign[order]


def _ordering(rng: Stream, month: Month, staff: Staff, lines: Lines) -> Ints:
    """Place in the staff table of the ordering doctor: the case's own, or one of the clinic's."""
    series = np.full(lines.n, SERIES.index("doctor"))
    doctor = staff.anyone(rng, lines.department, series)
    inside = lines.case >= 0
    case = lines.case[inside]
    start = staff.start[:, SERIES.index("doctor")]
    doctor[inside] = start[month.people.department[case]] + month.stays.doctor[case]
    return doctor


def _executing(
    rng: Stream,
    profile: Profile,
    catalogue: Catalogue,
    staff: Staff,
    lines: Lines,
    doctor: Ints,
) -> tuple[Ints, Ints]:
    """Executing department and person of each line; drugs and consumables have no person."""
    place = {code: i for i, code in enumerate(profile.departments["code"])}
    fixed = np.array([place.get(code, -1) for code in catalogue.table["executing"]])
    executing = np.where(fixed[lines.item] >= 0, fixed[lines.item], lines.department)
    own, nobody = len(SERIES), -1
    roles = profile.settings["streams"]["executor"]
    known = {**{name: i for i, name in enumerate(SERIES)}, "own": own}
    by_item = np.array([known.get(roles.get(s, ""), nobody) for s in catalogue.table["stream"]])
    role = by_item[lines.item]
    person = np.full(lines.n, -1, dtype=np.int64)
    for series in (None, "nurse", "technician", "doctor"):
        rows = np.flatnonzero((role >= 0) & (role < own) & (person < 0))
        asked = role[rows] if series is None else np.full(len(rows), SERIES.index(series))
        person[rows] = staff.anyone(rng, executing[rows], asked)
    mine = (role == own) & (executing == lines.department)
    person[mine] = doctor[mine]
    rows = np.flatnonzero((role == own) & ~mine)
    person[rows] = staff.anyone(rng, executing[rows], np.full(len(rows), SERIES.index("nurse")))
    return executing, person

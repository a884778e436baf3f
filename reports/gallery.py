"""Pictures of every report of the demonstration hospital, for the README and whoever chooses.

``python -m reports.gallery FOLDER`` makes the hospital, runs the commands of gallery.toml and
pictures what they wrote: workbooks through LibreOffice and pdftoppm, pages through Chromium.  It
needs these programs and Pillow, which nothing else here does.
"""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from drg_engine.errors import DrgEngineError

__all__ = ["GALLERY", "Picture", "make_gallery", "pictures"]

GALLERY = Path(__file__).with_name("gallery.toml")

_PERIOD = "2026-10"
_LOOKS = ("light", "dark", "phone")
_WIDTH, _PHONE = 1280, 390
_SHOWN_WIDTH = 1080
_DOTS = 90
_PAGES = 14
_COLOURS = (128, 96, 64, 48, 32)
_LARGEST = 150_000
_WAIT_MS = 12_000
_SECONDS = 300
_BODY, _WHITE, _MARGIN = 0.94, 250, 24
_LIGHT = '<html lang="zh-CN">'


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture.

    shows: layouts and writers that it shows.  source: a file of the work folder (a pattern: the
    first).  find: words on the workbook's page, of which ``skip`` come before it.  look and
    address: of a page.
    """

    name: str
    title: str
    shows: tuple[str, ...]
    source: str
    find: str = ""
    skip: int = 0
    look: str = "light"
    address: str = ""
    height: int = 0


def _read() -> dict[str, Any]:
    return tomllib.loads(GALLERY.read_text(encoding="utf-8"))


def pictures() -> list[Picture]:
    """What the gallery holds, in its order."""
    return [Picture(**{**entry, "shows": tuple(entry["shows"])}) for entry in _read()["picture"]]


def make_gallery(folder: Path, work: Path, only: Sequence[str] = ()) -> list[Path]:
    """Make the pictures in ``folder`` from reports made in ``work``; those named, or all.

    A report that is in ``work`` already is taken from there.  Raises DrgEngineError where a program
    isn't there or fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _make_reports(work)
    made = []
    for picture in pictures():
        if only and picture.name not in only:
            continue
        source = _source(work, picture)
        drawn = work / f"{picture.name}.png"
        if source.suffix == ".html":
            _picture_page(source, picture, drawn)
        else:
            _picture_sheet(source, picture, drawn)
        path = folder / f"{picture.name}.png"
        _made_small(drawn, path)
        made.append(path)
    return made


# ---- reports


def _make_reports(work: Path) -> None:
    listed = _read()
    for file in listed["file"]:
        (work / file["name"]).write_text(file["text"].lstrip("\n"), encoding="utf-8")
    if not (work / "demo" / "out").is_dir():
        _engine(work, ["demo", "demo"])
    _bureau_files(work)
    for place, run in enumerate(listed["run"]):
        done = work / f"{place}.done"
        if not done.exists():
            _engine(work, run["arguments"])
            done.touch()


def _engine(work: Path, arguments: Sequence[str]) -> None:
    _run([sys.executable, "-m", "drg_engine.cli", *arguments], work)


def _bureau_files(work: Path) -> None:
    """What a bureau would send of the demonstration's month, with a few things amiss."""
    (path,) = (work / "demo" / "out" / _PERIOD).glob("病例-*.parquet")
    cases = pd.read_parquet(
        path, columns=["case_id", "insurance", "drg", "charges_fen", "paid_fen"]
    )
    cases = cases.fillna({"paid_fen": 0})
    fund = cases["paid_fen"].astype("int64")
    settled = pd.DataFrame(
        {
            "结算编号": [f"S{at:06d}" for at in range(len(cases))],
            "险种": cases["insurance"].astype(str),
            "结算经办机构": "360199",
            "清算类别": "住院",
            "医疗费总额": _yuan(cases["charges_fen"]),
            "基金支付总额": _yuan(fund),
            "个人账户支付": "0.00",
        }
    )
    settled.to_csv(work / "hospital.csv", index=False)
    theirs = settled.copy()
    theirs.loc[::701, "基金支付总额"] = _yuan(fund[::701] - 100_00)
    theirs[theirs.index % 997 != 1].to_csv(work / "bureau.csv", index=False)
    told = pd.DataFrame(
        {"病案号": cases["case_id"], "病组编码": cases["drg"], "支付金额": _yuan(fund)}
    )
    told.loc[::83, "病组编码"] = "0000"
    told.to_csv(work / "returns.csv", index=False)
    _paid_files(work)
    _settlement_list(work)


def _paid_files(work: Path) -> None:
    """What was paid out to staff: as allotted, but for a few."""
    (path,) = (work / "demo" / "out" / _PERIOD).glob("人员发放-*.csv")
    allotted = pd.read_csv(path, dtype=str)
    total = next(name for name in reversed(allotted.columns) if "合计" in name or "发放" in name)
    paid = pd.DataFrame({"工号": allotted["工号"], "实发": allotted[total]})
    paid.loc[::50, "实发"] = "0.00"
    paid.to_csv(work / "paid.csv", index=False)


def _settlement_list(work: Path) -> None:
    """A few rows of settlement lists, one of which doesn't add up."""
    rows = [
        {
            "病案号": f"M{at:03d}", "医疗费总额": 1_000 + at, "全自费金额": 50, "超限价自费费用": 0,
            "先行自付金额": 100, "符合政策范围金额": 850 + at + (at == 3), "基金支付总额": 700,
            "个人负担总金额": 300 + at, "个人账户支出": 100, "个人现金支出": 200 + at,
        }
        for at in range(8)
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(work / "lists.csv", index=False)


def _yuan(fen: pd.Series[Any]) -> list[str]:
    return [f"{int(one) // 100}.{int(one) % 100:02d}" if one >= 0 else "0.00" for one in fen]


# ---- pictures


def _source(work: Path, picture: Picture) -> Path:
    found = sorted(work.glob(picture.source))
    if not found:
        raise DrgEngineError(f"没有 {picture.source}，不能作图 {picture.name}")
    return found[0]


def _picture_sheet(source: Path, picture: Picture, drawn: Path) -> None:
    """The page of a workbook's print that holds the words; the first without."""
    pdf = source.with_suffix(".pdf")
    if not pdf.exists():
        pages = f'{{"PageRange":{{"type":"string","value":"1-{_PAGES}"}}}}'
        profile = (drawn.parent / "soffice").resolve().as_uri()
        program = _program("soffice", "libreoffice")
        call = [program, f"-env:UserInstallation={profile}", "--headless", "--norestore"]
        call += ["--convert-to", f"pdf:calc_pdf_Export:{pages}", "--outdir", str(source.parent)]
        _run([*call, str(source)], drawn.parent)
    page = _page_with(pdf, picture)
    call = [_program("pdftoppm"), "-png", "-singlefile", "-r", str(_DOTS)]
    call += ["-f", str(page), "-l", str(page), str(pdf), str(drawn.with_suffix(""))]
    _run(call, drawn.parent)
    _without_blank(drawn)


def _without_blank(drawn: Path) -> None:
    """The page down to its last line, without the footer."""
    image = _images().open(drawn).convert("L")
    body = image.crop((0, 0, image.width, round(image.height * _BODY)))
    box = body.point(lambda shade: 255 * (shade < _WHITE)).getbbox()
    if box is not None:
        _, _, _, bottom = box
        image = _images().open(drawn)
        image.crop((0, 0, image.width, min(bottom + _MARGIN, image.height))).save(drawn)


def _page_with(pdf: Path, picture: Picture) -> int:
    if not picture.find:
        return 1
    found = []
    for page in range(1, _PAGES + 1):
        call = [_program("pdftotext"), "-f", str(page), "-l", str(page), str(pdf), "-"]
        text = _run(call, pdf.parent, quiet=True)
        if picture.find in text.replace(" ", ""):
            found.append(page)
    return found[min(picture.skip, len(found) - 1)] if found else 1


def _picture_page(source: Path, picture: Picture, drawn: Path) -> None:
    if picture.look not in _LOOKS:
        raise DrgEngineError(f"图册的 {picture.name}：look 只能是 {'、'.join(_LOOKS)}")
    page = source
    if picture.look == "dark":
        page = drawn.with_suffix(".html")
        text = source.read_text(encoding="utf-8")
        page.write_text(text.replace(_LIGHT, f'{_LIGHT[:-1]} data-theme="dark">', 1), "utf-8")
    address = page.resolve().as_uri() + (
        f"#{quote(picture.address, '=&')}" if picture.address else ""
    )
    # In a frame the page may be as narrow as a phone, and what it scrolled to is what is seen.
    width = _PHONE if picture.look == "phone" else _WIDTH
    frame = drawn.with_suffix(".frame.html")
    style = f"border:0;width:{width}px;height:{picture.height}px"
    frame.write_text(
        f'<body style="margin:0"><iframe src="{address}" style="{style}"></iframe>', "utf-8"
    )
    call = [_program("chromium", "chromium-browser", "google-chrome"), "--headless=new"]
    call += ["--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
    call += [f"--user-data-dir={drawn.parent / 'chromium'}", f"--virtual-time-budget={_WAIT_MS}"]
    call += [f"--window-size={max(width, 600)},{picture.height + 200}", f"--screenshot={drawn}"]
    _run([*call, frame.resolve().as_uri()], drawn.parent)
    _images().open(drawn).crop((0, 0, width, picture.height)).save(drawn)


def _made_small(drawn: Path, path: Path) -> None:
    """Narrower, with fewer colours, until it is small enough to be kept with the code."""
    images = _images()
    image = images.open(drawn).convert("RGB")
    if image.width > _SHOWN_WIDTH:
        height = round(image.height * _SHOWN_WIDTH / image.width)
        image = image.resize((_SHOWN_WIDTH, height), images.Resampling.LANCZOS)
    for colours in _COLOURS:
        image.quantize(colours, dither=images.Dither.NONE).save(path, optimize=True)
        if path.stat().st_size < _LARGEST:
            return


def _images() -> Any:
    try:
        return importlib.import_module("PIL.Image")
    except ImportError as error:
        raise DrgEngineError("作图要用 Pillow：pip install pillow") from error


def _program(*names: str) -> str:
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    raise DrgEngineError(f"没有找到程序 {names[0]}")


def _run(call: Sequence[str], folder: Path, *, quiet: bool = False) -> str:
    done = subprocess.run(
        call, cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    if done.returncode and not quiet:
        raise DrgEngineError(
            f"{Path(call[0]).name} 没有成功：{done.stderr[-600:] or done.stdout[-600:]}"
        )
    return done.stdout


def _main(arguments: Sequence[str]) -> None:
    from drg_engine.console import show_table

    if not arguments:
        raise SystemExit("用法：python -m reports.gallery 文件夹 [图名 ...]")
    kept = arguments[0]
    with tempfile.TemporaryDirectory() as work:
        made = make_gallery(Path(kept), Path(work), arguments[1:])
    sizes: Mapping[str, int] = {path.name: path.stat().st_size for path in made}
    rows = [(name, f"{size / 1000:.0f} KB") for name, size in sizes.items()]
    show_table("图册", ("图", "大小"), rows)


if __name__ == "__main__":
    _main(sys.argv[1:])

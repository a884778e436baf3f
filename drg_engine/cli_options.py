"""Arguments and options that several commands take alike."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Folder", "LedgerUrl", "Period"]

Folder = Annotated[Path, typer.Argument(help="工作区文件夹。")]
Period = Annotated[str, typer.Argument(help="月份，如 2026-10。")]
LedgerUrl = Annotated[
    str | None,
    typer.Option("--ledger", help="账本的数据库地址；不写依 DRG_ENGINE_LEDGER 或 hospital.toml。"),
]

"""Grouping schemes as data: the tables of each edition or region, and their loader."""

from __future__ import annotations

from grouper_tables._source import scheme_names
from grouper_tables.scheme import Scheme, load_scheme

__all__ = ["Scheme", "load_scheme", "scheme_names"]

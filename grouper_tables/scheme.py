"""A grouping scheme ready for use, and how it is loaded: compiled once, then from a snapshot."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from platformdirs import user_cache_path

from drg_engine import code_form
from drg_engine.errors import TableError
from grouper_tables._arrays import Rules
from grouper_tables._compile import Compiled, compile_scheme
from grouper_tables._snapshot import FORMAT, read_snapshot, write_snapshot
from grouper_tables._source import (
    Manifest,
    SchemeSource,
    code_list_folder,
    own_tables_hash,
    read_manifest,
    read_source,
    read_table,
    scheme_folder,
    tables_hash,
    with_options,
)

__all__ = ["Scheme", "load_scheme"]


@dataclass(frozen=True)
class Scheme:
    """A compiled scheme.

    ``drg_codes`` are all results a case can get: the groups, one ambiguous group for each MDC, and
    last the code of ungrouped cases.  ``weights`` (float64, one for each of them) is NaN where the
    scheme gives none.  ``rates`` are published base rates, yuan per 1.0 weight by insurance type.
    """

    manifest: Manifest
    folder: Path
    tables_hash: str
    options: Mapping[str, Any]
    rules: Rules
    names: Mapping[str, tuple[str, ...]]
    weights: npt.NDArray[np.float64]

    @property
    def name(self) -> str:
        """Short name, as asked for on loading."""
        return self.manifest.name

    @property
    def title(self) -> str:
        """Title in Chinese."""
        return self.manifest.title

    @property
    def drg_codes(self) -> tuple[str, ...]:
        """Result codes; a grouping's ``drg`` column indexes them."""
        return self.names["drg_codes"]

    @property
    def drg_names(self) -> tuple[str, ...]:
        """Names of ``drg_codes``."""
        return self.names["drg_names"]

    @property
    def adrg_codes(self) -> tuple[str, ...]:
        """ADRGs that have a group, in order of trial."""
        return self.names["adrg_codes"]

    @property
    def adrg_names(self) -> tuple[str, ...]:
        """Names of ``adrg_codes``."""
        return self.names["adrg_names"]

    @property
    def mdc_codes(self) -> tuple[str, ...]:
        """MDCs in order of trial."""
        return self.names["mdc_codes"]

    @property
    def mdc_names(self) -> tuple[str, ...]:
        """Names of ``mdc_codes``."""
        return self.names["mdc_names"]

    @property
    def flags(self) -> tuple[str, ...]:
        """Flags of a case that the rules ask for; a flag's place is its bit."""
        return self.names["flags"]

    @cached_property
    def diagnosis_index(self) -> dict[str, int]:
        """Place of each known diagnosis code, clinical ones included where that option is on."""
        return self._index("dx", "diagnosis")

    @cached_property
    def procedure_index(self) -> dict[str, int]:
        """Place of each known procedure code, clinical ones included where that option is on."""
        return self._index("proc", "procedure")

    def _index(self, kind: str, crosswalk: str) -> dict[str, int]:
        codes = self.names[kind]
        index = dict(zip(codes, range(len(codes)), strict=True))
        if not self.options["clinical_codes"]:
            return index
        path = code_list_folder() / f"{crosswalk}_crosswalk.csv"
        mapped = {
            clinical: index[insurance]
            for clinical, insurance in read_table(path, (), []).pick("clinical", "insurance")
            if insurance in index
        }
        return index | mapped

    @cached_property
    def rates(self) -> dict[str, float]:
        """The latest published base rate of each insurance type, yuan per 1.0 weight."""
        latest: dict[str, tuple[str, float]] = {}
        rows = self.source.tables["rates"]
        for insurance, since, rate in zip(
            rows.column("insurance"),
            rows.column("effective_from"),
            rows.column("yuan_per_weight"),
            strict=True,
        ):
            if insurance not in latest or since > latest[insurance][0]:
                latest[insurance] = (since, float(rate))
        return {insurance: rate for insurance, (_, rate) in latest.items()}

    @cached_property
    def source(self) -> SchemeSource:
        """The tables themselves, read when first asked for (names, explanations, show, diff)."""
        return read_source(self.folder)

    @property
    def tables_changed(self) -> bool:
        """Whether the scheme's own tables differ from the hash its manifest gives."""
        stated = self.manifest.tables_sha256
        return stated is not None and stated != own_tables_hash(self.folder)


def load_scheme(
    name: str | Path,
    *,
    options: Mapping[str, Any] | None = None,
    cache: Path | None = None,
) -> Scheme:
    """Load a scheme by its shipped name or its folder.

    options: over the manifest's (specs/grouping.md names them).  cache: folder for compiled
    snapshots, the user's cache folder by default.  A snapshot that is missing, damaged or of other
    tables is made again; where the folder cannot be written the scheme is compiled each time.
    Raises TableError with every fault of the manifest, tables and rules.
    """
    folder = scheme_folder(name)
    manifest = read_manifest(folder)
    chosen = with_options(manifest, options or {})
    tables = tables_hash(folder)
    compiled = _compiled(folder, chosen, tables, cache)
    return Scheme(
        manifest, folder, tables, chosen, compiled.rules, compiled.names, compiled.weights
    )


def _compiled(
    folder: Path, options: Mapping[str, Any], tables: str, cache: Path | None
) -> Compiled:
    key = _key(tables, options)
    root = cache or user_cache_path("drg-engine", appauthor=False) / "schemes"
    path = root / f"{folder.name}-{key[:16]}.snapshot"
    with contextlib.suppress(OSError, TableError, ValueError, KeyError, TypeError):
        return read_snapshot(path, key)
    compiled = compile_scheme(read_source(folder), options)
    with contextlib.suppress(OSError):
        write_snapshot(path, compiled, key)
    return compiled


def _key(tables: str, options: Mapping[str, Any]) -> str:
    """Hash of everything a snapshot depends on: tables, options, the compiler's own source."""
    chosen = json.dumps(dict(options), sort_keys=True)
    digest = hashlib.sha256(f"{FORMAT}:{tables}:{chosen}".encode())
    for module in (*sorted(Path(__file__).parent.glob("*.py")), Path(code_form.__file__)):
        digest.update(module.read_bytes())
    return digest.hexdigest()

"""The demonstration hospital: a month of an invented 900-bed hospital, made from a seed.

**Everything in it is invented.**  Names of staff are a label and a number (演示医生001), person ids
are masked and made of counters, the hospital does not exist, and no figure comes from a real one.
What is not invented are the codes and groups, which stand in the scheme's public tables, and the
scheme's published weights.

How it is made, so that it is believable to someone who works in one:

- ``data/`` says what the hospital is: departments with beds, stays and ages, which ADRGs each one
  treats and how often, the usual codes of each ADRG, common comorbidities by age, charge items, and
  the shares of everything else (``settings.toml``).  The code names none of them.
- A case gets a department, an ADRG, a principal diagnosis and procedures that lead there, and
  comorbidities by age; its severity follows from those by the scheme's own tables.  Charges scatter
  log-normally around weight × rate, with a bias by department and doctor; a few are far off.
- Charge lines are whole quantities of priced items; a case's charges are the sum of its lines.
- Coding errors, rows that cannot be read, unknown items and refunds are planted on purpose.

The same seed, period and scale give the same bytes.
"""

from __future__ import annotations

from drg_engine.demo.workspace import write_demo_hospital

__all__ = ["write_demo_hospital"]

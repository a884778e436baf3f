/* The rows of each table, by what the page has chosen. */
const BY = {
  departments: ["department"], doctor_groups: ["department", "doctor_group"],
  doctors: ["department", "doctor"], drgs: ["drg"], insurances: ["insurance"], kinds: ["kind"],
  months: ["period"],
};
const IN_ORDER = { months: "period", insurances: "insurance", kinds: "kind" };

function compared(one, two) {
  if (one === two) return 0;
  if (one === null || one === undefined) return -1;
  if (two === null || two === undefined) return 1;
  return typeof one === "string" ? one.localeCompare(two, "zh-CN") : one - two;
}

function sourceRows(source, chosen, rows) {
  if (source === "cases") {
    return Array.from(rows).sort((one, two) => number.surplus_fen[one] - number.surplus_fen[two] || one - two);
  }
  if (source === "drg_doctors") return doctorRows(chosen);
  if (source === "fees") return feeRows(rows);
  if (source.startsWith("causes")) return causeRows(source, chosen);
  const found = measured(rows, BY[source]);
  if (source === "drgs") withReference(found);
  const key = IN_ORDER[source];
  return key ? found.sort((one, two) => compared(one[key], two[key]))
    : found.sort((one, two) => one.surplus_fen - two.surplus_fen);
}

/* What a whole table adds up to, its rates too. */
function totalRow(source, rows, listed) {
  if (source === "cases" || BY[source]) {
    const whole = measured(rows)[0];
    delete whole.few;
    delete whole.quadrant;
    if (source === "drgs") whole.loss_share = listed.reduce((sum, one) => sum + one.loss_share, 0);
    return whole;
  }
  if (!source.startsWith("causes") || itself()) return null;
  const whole = {};
  for (const one of listed) {
    for (const [key, value] of Object.entries(one)) {
      if (typeof value === "number") whole[key] = (whole[key] || 0) + value;
    }
  }
  return whole;
}

function withReference(found) {
  const place = new Map(text.drg.words.map((word, at) => [word, at]));
  const told = page.reference;
  const losses = found.reduce((sum, one) => sum + Math.max(-one.surplus_fen, 0), 0);
  for (const one of found) {
    const at = place.get(one.drg);
    const mean = told.charges_fen ? told.charges_fen[at] : null;
    one.loss_share = losses ? Math.max(-one.surplus_fen, 0) / losses : 0;
    one.reference_charges = mean === null ? null : mean / 100;
    one.over_reference = mean ? one.mean_charges === null ? null : one.mean_charges / (mean / 100) - 1 : null;
    one.risk_title = told.risk[at];
    for (const fee of FEES) {
      const own = told[`${fee}_fen`] ? told[`${fee}_fen`][at] : null;
      one[`over_${fee}`] = own === null || one[`mean_${fee}`] === null ? null : one[`mean_${fee}`] - own / 100;
    }
  }
}

/* A cell of any table: of a row of figures, or of a case, which is its number. */
function cell(one, key) {
  return typeof one === "number" ? caseCell(one, key) : one[key];
}

function caseCell(at, key) {
  if (key === "case_id") return page.ids[at];
  if (key === "los") return flag.stayed[at] ? number.los[at] : null;
  if (text[key]) return text[key].words[text[key].codes[at]];
  if (key.endsWith("_name")) return titled(key.slice(0, -5), caseCell(at, key.slice(0, -5)));
  if (!number[key] || !flag.priced[at]) return null;
  if (key === "cost_surplus_fen" || key === "cost_fen") return flag.costed[at] ? number[key][at] : null;
  return key === "standard_fen" ? number[key][at] || null : number[key][at];
}

/* Doctors inside one DRG against all who treat it; few cases are marked and have no rank. */
function doctorRows(chosen) {
  const all = rowsOf(chosen, PEOPLE).filter((at) => flag.grouped[at] && flag.priced[at]);
  const whole = new Map(measured(all, ["drg"]).map((one) => [one.drg, one]));
  const doctors = measured(all, ["drg", "department", "doctor"]);
  const count = new Map(), ranked = new Map();
  for (const one of doctors) {
    const mean = whole.get(one.drg);
    count.set(one.drg, (count.get(one.drg) || 0) + 1);
    one.drg_cases = mean.cases;
    one.drg_mean = mean.mean_charges;
    one.over_mean = one.mean_charges - mean.mean_charges;
    for (const fee of FEES) one[`over_${fee}`] = one[`mean_${fee}`] - mean[`mean_${fee}`];
    const few = one.cases < page.few || one.drg_cases < 2 * page.few;
    one.few = String(few);
    if (!few) ranked.set(one.drg, [...(ranked.get(one.drg) || []), one]);
  }
  for (const group of ranked.values()) {
    for (const one of group) one.rank = 1 + group.filter((two) => two.mean_charges < one.mean_charges).length;
  }
  return doctors
    .filter((one) => count.get(one.drg) > 1
      && PEOPLE.every((name) => name === "doctor_group" || chosen[name] === undefined || one[name] === chosen[name]))
    .sort((one, two) => two.drg_cases - one.drg_cases || compared(one.drg, two.drg) || two.cases - one.cases
      || compared(one.department, two.department) || compared(one.doctor, two.doctor));
}

function feeRows(rows) {
  const found = [];
  for (const fee of FEES) {
    for (const one of measured(rows, ["department"])) {
      found.push({
        department: one.department, department_name: one.department_name, fee_title: page.fees[fee],
        fee_fen: one[`${fee}_fen`], share: one[`${fee}_share`],
      });
    }
  }
  return found;
}

// ---- why a surplus is not what it was

const causes = page.causes;
if (causes) {
  for (const name of ["surplus_fen", "reference_fen", "change_fen", ...causes.parts]) {
    causes[name] = unpacked(causes[name], causes.rows);
  }
}

/* Against the hospital itself only departments have a change; all of them together have roundings. */
function itself() {
  return Boolean(causes && causes.within && state.chosen.department === undefined);
}

function causePlaces(chosen) {
  const places = [];
  for (let at = 0; causes && at < causes.rows; at += 1) {
    if (["department", "drg"].every((name) => chosen[name] === undefined
      || causes[name].words[causes[name].codes[at]] === chosen[name])) places.push(at);
  }
  return places;
}

function causeRows(source, chosen) {
  const by = { causes: ["department", "drg"], causes_departments: ["department"], causes_drgs: ["drg"] }[source];
  const names = ["cases", "reference_cases", "surplus_fen", "reference_fen", "change_fen", ...causes.parts];
  const found = new Map();
  for (const at of causePlaces(chosen)) {
    const words = by.map((name) => causes[name].words[causes[name].codes[at]]);
    const key = words.join("\u0000");
    let one = found.get(key);
    if (!one) {
      one = {};
      by.forEach((name, place) => {
        one[name] = words[place];
        one[`${name}_name`] = titled(name, words[place]);
      });
      for (const name of names) one[name] = 0;
      found.set(key, one);
    }
    for (const name of names) one[name] += causes[name][at];
  }
  return [...found.values()].sort((one, two) => one.change_fen - two.change_fen);
}

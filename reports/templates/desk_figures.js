/* Figures of any part of the cases: sums, and quotients of two sums (as drg_engine.desk_measures). */
const FEES = Object.keys(page.fees);
const MONEY = Object.keys(page.numbers).filter((name) => name.endsWith("_fen"));
const KIND_CASES = {
  normal_cases: ["normal"], low_cases: ["low"], high_cases: ["high"],
  ungrouped_cases: ["ungrouped", "ambiguous", "no_weight"],
  outside_cases: ["out_of_scope", "bed_day", "unpriced", "review"],
};

function perCase(work) {
  return Float64Array.from({ length: CASES }, (_, at) => work(at));
}

/* A case's DRG mean of elsewhere, 0 where it isn't known. */
function meanOf(name) {
  const means = page.reference[name];
  return perCase((at) => (means && means[text.drg.codes[at]]) || 0);
}

const added = { cases: new Float64Array(CASES).fill(1) };
for (const name of FLAGS) added[`${name}_cases`] = flag[name];
for (const [name, kinds] of Object.entries(KIND_CASES)) {
  const codes = new Set(kinds.map((kind) => text.kind.words.indexOf(kind)));
  added[name] = perCase((at) => (codes.has(text.kind.codes[at]) ? 1 : 0));
}
for (const name of MONEY) added[name] = number[name];
added.units = number.units;
added.days = number.los;
{
  const weighted = perCase((at) => (flag.grouped[at] && number.units[at] > 0 ? 1 : 0));
  added.priced_units = perCase((at) => (weighted[at] && flag.priced[at] ? number.units[at] : 0));
  added.priced_charges = perCase((at) => (weighted[at] && flag.priced[at] ? number.charges_fen[at] : 0));
  added.stayed_units = perCase((at) => (weighted[at] && flag.stayed[at] ? number.units[at] : 0));
  added.stayed_days = perCase((at) => (weighted[at] && flag.stayed[at] ? number.los[at] : 0));
  const charges = meanOf("charges_fen"), days = meanOf("days");
  const costed = perCase((at) => (flag.grouped[at] && flag.priced[at] && charges[at] > 0 ? 1 : 0));
  const timed = perCase((at) => (flag.grouped[at] && flag.stayed[at] && days[at] > 0 ? 1 : 0));
  added.cost_ratio = perCase((at) => (costed[at] ? number.charges_fen[at] / charges[at] : 0));
  added.cost_ratio_cases = costed;
  added.time_ratio = perCase((at) => (timed[at] ? number.los[at] / days[at] : 0));
  added.time_ratio_cases = timed;
}

/* Parts of rows by dimensions: the codes of each part, and the part of each row. */
function partsBy(rows, dimensions) {
  const columns = dimensions.map((name) => text[name].codes);
  const sizes = dimensions.map((name) => text[name].words.length);
  const known = new Map(), keys = [], part = new Int32Array(rows.length);
  rows.forEach((row, at) => {
    let key = 0;
    columns.forEach((codes, place) => { key = key * sizes[place] + codes[row]; });
    let found = known.get(key);
    if (found === undefined) {
      found = keys.length;
      known.set(key, found);
      keys.push(columns.map((codes) => codes[row]));
    }
    part[at] = found;
  });
  return { count: keys.length, keys, part };
}

/* Figures of each part of rows; without dimensions one part, all of them. */
function measured(rows, dimensions = []) {
  const parts = dimensions.length ? partsBy(rows, dimensions)
    : { count: 1, keys: [[]], part: new Int32Array(rows.length) };
  const sums = {};
  for (const [name, column] of Object.entries(added)) {
    const sum = new Float64Array(parts.count);
    for (let at = 0; at < rows.length; at += 1) sum[parts.part[at]] += column[rows[at]];
    sums[name] = sum;
  }
  const drgs = Array.from({ length: parts.count }, () => new Set());
  for (let at = 0; at < rows.length; at += 1) {
    if (flag.grouped[rows[at]]) drgs[parts.part[at]].add(text.drg.codes[rows[at]]);
  }
  return parts.keys.map((codes, place) => {
    const one = figuresOf(sums, place);
    one.drg_count = drgs[place].size;
    one.few = String(one.cases < page.few);
    dimensions.forEach((dimension, at) => {
      const word = text[dimension].words[codes[at]];
      one[dimension] = word;
      one[`${dimension}_name`] = titled(dimension, word);
    });
    return one;
  });
}

function over(above, below) {
  return below === 0 ? null : above / below;
}

function figuresOf(sums, place) {
  const sum = (name) => sums[name][place];
  const yuan = (name, count) => over(sum(name) / 100, sum(count));
  const one = {
    rw: sum("units") / 1e8, days: sum("days"),
    grouping_rate: over(sum("grouped_cases"), sum("cases")),
    cmi: over(sum("units") / 1e8, sum("grouped_cases")),
    heavy_share: over(sum("heavy_cases"), sum("grouped_cases")),
    surgical_share: over(sum("surgical_cases"), sum("grouped_cases")),
    charges_per_rw: over(sum("priced_charges") / 100, sum("priced_units") / 1e8),
    mean_charges: yuan("charges_fen", "priced_cases"),
    days_per_rw: over(sum("stayed_days"), sum("stayed_units") / 1e8),
    mean_los: over(sum("days"), sum("stayed_cases")),
    control_accuracy: over(sum("near_cases"), sum("standing_cases")),
    personal_share: sum("personal_fen") ? over(sum("personal_fen"), sum("charges_fen")) : null,
    surplus_rate: over(sum("surplus_fen"), sum("charges_fen")),
    surplus_per_case: yuan("surplus_fen", "priced_cases"),
    mean_standard: yuan("standard_fen", "standing_cases"),
    cost_index: over(sum("cost_ratio"), sum("cost_ratio_cases")),
    time_index: over(sum("time_ratio"), sum("time_ratio_cases")),
  };
  for (const name of Object.keys(sums)) {
    if (name.endsWith("_cases") || name === "cases" || name.endsWith("_fen")) one[name] = sum(name);
  }
  for (const fee of FEES) {
    one[`${fee}_share`] = over(sum(`${fee}_fen`), sum("charges_fen"));
    one[`mean_${fee}`] = yuan(`${fee}_fen`, "priced_cases");
  }
  one.quadrant = quadrantOf(one);
  return one;
}

function quadrantOf(one) {
  const words = page.quadrant;
  if (!(one.cmi > 0)) return words.unclassed;
  const high = one.cmi >= page.cut, gain = Math.round((one.surplus_per_case || 0) * 100) >= 0;
  return high ? (gain ? words.high_gain : words.high_loss) : (gain ? words.low_gain : words.low_loss);
}

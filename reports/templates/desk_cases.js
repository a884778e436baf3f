/* The cases by column, and which of them the page's choices leave. */
const page = JSON.parse(document.getElementById("page-data").textContent);
const CASES = page.cases;
const text = page.texts;
for (const column of Object.values(text)) column.codes = Int32Array.from(column.codes);

function unpacked(column, length) {
  if (column === 0) return new Float64Array(length);
  if (Array.isArray(column)) return Float64Array.from(column);
  const found = new Float64Array(length);
  if (column.where) column.where.forEach((at, place) => { found[at] = column.is[place]; });
  else for (let at = 0; at < length; at += 1) found[at] = column.of[column.at[at]];
  return found;
}

const number = {};
for (const [name, column] of Object.entries(page.numbers)) number[name] = unpacked(column, CASES);
const bits = unpacked(page.flags, CASES);
const FLAGS = ["grouped", "surgical", "heavy", "priced", "standing", "near", "died", "costed", "stayed"];
const flag = {};
FLAGS.forEach((name, place) => {
  flag[name] = new Float64Array(CASES);
  for (let at = 0; at < CASES; at += 1) flag[name][at] = (bits[at] >> place) & 1;
});

/* What people choose by: the order is that of the path down to a case. */
const DIMENSIONS = {
  period: "月份", insurance: "险种", kind: "病例类型",
  department: "科室", doctor_group: "医疗组", doctor: "医生", drg: "病组",
};
const PEOPLE = ["department", "doctor_group", "doctor"];

function titled(dimension, word) {
  const names = page.names[dimension] || {};
  if (Object.hasOwn(names, word)) return names[word];
  return word === "" ? "（空）" : word;
}

/* Rows of cases that the choices leave, those of some dimensions aside. */
function rowsOf(chosen, aside = []) {
  const tests = [];
  for (const [dimension, word] of Object.entries(chosen)) {
    if (!DIMENSIONS[dimension] || aside.includes(dimension)) continue;
    tests.push([text[dimension].codes, text[dimension].words.indexOf(word)]);
  }
  const found = new Int32Array(CASES);
  let count = 0;
  for (let at = 0; at < CASES; at += 1) {
    let kept = true;
    for (const [codes, code] of tests) if (codes[at] !== code) { kept = false; break; }
    if (kept) { found[count] = at; count += 1; }
  }
  return found.subarray(0, count);
}

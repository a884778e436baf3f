/* Charts: their rows from the cases that are left, drawn after the figures are there. */
const SHORT = 12, TOLD = 24;

function short(words) {
  const signs = [...words]; // a rare character is two units of a string
  return signs.length > SHORT ? `${signs.slice(0, SHORT - 1).join("")}…` : words;
}

function drgLabel(one) {
  return one.drg_name === one.drg ? one.drg : `${one.drg} ${short(one.drg_name)}`;
}

const ROWS = {
  causes: causeSteps,
  losses: () => {
    const drgs = withShares(measured(state.rows, ["drg"])).slice(0, page.bars);
    let share = 0;
    return drgs.filter((one) => one.surplus_fen < 0).map((one) => {
      share += one.loss_share;
      return { label: drgLabel(one), value: -one.surplus_fen / 1e6, share, code: one.drg };
    });
  },
  departments: (chart) => {
    chart.about = scopeWords(PEOPLE);
    return bubbles(chart, measured(rowsOf(state.chosen, PEOPLE), ["department"]), "department", (one) => one.department_name);
  },
  drgs: (chart) => bubbles(chart, measured(state.rows, ["drg"]), "drg", (one) => one.drg),
  doctors: doctorBars,
  fees: feeBars,
  months: () => measured(state.rows, ["period"]).sort((one, two) => compared(one.period, two.period))
    .flatMap((one) => [["总费用", "charges_fen"], ["应得支付", "paid_fen"], ["盈亏", "surplus_fen"]]
      .map(([series, key]) => ({ label: one.period, series, value: one[key] / 1e6 }))),
  months_cmi: () => measured(state.rows, ["period"]).sort((one, two) => compared(one.period, two.period))
    .filter((one) => one.cmi !== null)
    .map((one) => ({ label: one.period, series: "CMI", value: one.cmi })),
};

function withShares(drgs) {
  withReference(drgs);
  return drgs.sort((one, two) => one.surplus_fen - two.surplus_fen);
}

/* Against the hospital itself all departments together change nothing: the one that loses most is shown. */
function causesShown(chart) {
  const places = causePlaces(state.chosen);
  if (!itself()) return places;
  const worst = causeRows("causes_departments", state.chosen)
    .filter((one) => one.department).sort((one, two) => one.surplus_fen - two.surplus_fen)[0];
  if (!worst) return places;
  chart.about = worst.department_name;
  chart.more = "全院与自己相比没有增减，这里是亏损最多的科室；点选科室可换。";
  return causePlaces({ ...state.chosen, department: worst.department });
}

function causeSteps(chart) {
  chart.more = "";
  chart.about = scopeWords(Object.keys(DIMENSIONS).filter((name) => !["department", "drg"].includes(name)));
  const places = causesShown(chart);
  const aside = Object.keys(state.chosen).filter((name) => !["department", "drg"].includes(name));
  chart.told = aside.length ? `只按科室和病组，不随${aside.map((name) => DIMENSIONS[name]).join("、")}筛选。` : "";
  if (page.against) chart.told = `对${page.against}。${chart.told}${chart.more}`;
  if (!places.length) return [];
  const sum = (name) => places.reduce((all, at) => all + causes[name][at], 0);
  const rows = [{ label: "参照", value: sum("reference_fen"), whole: true }];
  causes.parts.forEach((name, at) => rows.push({ label: causes.titles[at], value: sum(name) }));
  rows.push({ label: "本期", value: sum("surplus_fen"), whole: true });
  let level = 0;
  return rows.filter((one) => one.whole || one.value !== 0).map((one) => {
    const start = one.whole ? 0 : level;
    level = start + one.value;
    return {
      label: one.label, value: one.value / 1e6, start: start / 1e6, end: level / 1e6,
      kind: one.whole ? "whole" : "part", fen: one.value,
    };
  });
}

/* The bubbles that matter most are named, as far as a name lies on no other name and no bubble. */
function bubbles(chart, parts, dimension, label) {
  const kept = parts.filter((one) => one.cmi > 0 && one.surplus_per_case !== null && one[dimension] !== "");
  const rows = kept.map((one) => ({
    label: dimension === "drg" ? drgLabel(one) : label(one), name: short(label(one)), xv: one.cmi,
    yv: one.surplus_per_case, size: one.cases, group: one.quadrant, code: one[dimension],
    weight: Math.abs(one.surplus_fen), shown: "", lx: one.cmi, ly: one.surplus_per_case,
    faded: state.chosen[dimension] !== undefined && state.chosen[dimension] !== one[dimension],
  }));
  if (!rows.length) return rows;
  const [left, right] = ends([...rows, { xv: page.cut ?? rows[0].xv }], "xv");
  const [low, high] = ends([...rows, { yv: 0 }], "yv");
  const across = right - left || 1, upward = high - low || 1;
  chart.domain = [Math.max(0, left - across * 0.08), right + across * 0.12];
  chart.upright = [low - upward * 0.1, high + upward * 0.1];
  nameBubbles(chart, rows);
  return rows.sort((one, two) => two.size - one.size);
}

/* Where names stand, in pixels of the plot; a bubble's area goes with its cases. */
function nameBubbles(chart, rows) {
  const wide = Math.max(chart.place.clientWidth - 75, 200), tall = 420, line = 7;
  const scales = [[chart.domain, wide], [chart.upright, tall]];
  const [x, y] = scales.map(([[from, to], size]) => (value) => (value - from) / (to - from) * size);
  const most = Math.max(...rows.map((one) => one.size));
  const discs = rows.map((one) => {
    const radius = Math.sqrt((40 + 1560 * one.size / most) / Math.PI);
    return { one, x: x(one.xv), y: y(one.yv), half: radius * 0.7, line: radius * 0.7, radius };
  });
  const meets = (a, b) => Math.abs(a.x - b.x) < a.half + b.half && Math.abs(a.y - b.y) < a.line + b.line;
  const taken = [...discs];
  for (const disc of [...discs].sort((a, b) => a.one.faded - b.one.faded || b.one.weight - a.one.weight).slice(0, 40)) {
    const { one, radius } = disc;
    const half = [...one.name].reduce((sum, sign) => sum + (sign < "\u2e80" ? 3.4 : 5.6), 2);
    const free = [[0, radius + line], [radius + half, 0], [-radius - half, 0], [0, -radius - line]]
      .map(([right, up]) => ({ one, x: disc.x + right, y: disc.y + up, half, line }))
      .find((box) => box.x - half >= 0 && box.x + half <= wide && box.y >= line && box.y <= tall - line
        && !taken.some((other) => other !== disc && meets(box, other)));
    if (!free) continue;
    taken.push(free);
    one.shown = one.name;
    scales.forEach(([[from, to], size], at) => {
      one[at ? "ly" : "lx"] = from + (at ? free.y : free.x) / size * (to - from);
    });
  }
}

function ends(rows, key) {
  const values = rows.map((one) => one[key]);
  return [Math.min(...values), Math.max(...values)];
}

/* Lying bars from zero on, with room for what is written at their ends. */
function fromZero(chart, most, room) {
  const wide = Math.max(chart.place.clientWidth - (chart.place.clientWidth < 480 ? 140 : 220), 120);
  chart.domain = [0, most / Math.max(1 - room / wide, 0.35) || 1];
}

/* Of the DRGs that several doctors treat the one with most cases here. */
function commonestDrg() {
  const first = new Int32Array(text.drg.words.length).fill(-1), several = new Uint8Array(first.length);
  const counted = new Int32Array(first.length);
  const known = (at) => flag.grouped[at] && flag.priced[at];
  for (const at of rowsOf(state.chosen, PEOPLE)) {
    if (!known(at)) continue;
    const drg = text.drg.codes[at];
    const doctor = text.department.codes[at] * text.doctor.words.length + text.doctor.codes[at];
    if (first[drg] < 0) first[drg] = doctor;
    else if (first[drg] !== doctor) several[drg] = 1;
  }
  for (const at of state.rows) if (known(at)) counted[text.drg.codes[at]] += several[text.drg.codes[at]];
  const most = counted.indexOf(Math.max(...counted));
  return counted[most] > 0 ? text.drg.words[most] : undefined;
}

function doctorBars(chart) {
  const wanted = state.chosen.drg ?? commonestDrg();
  const rows = wanted === undefined ? [] : doctorRows({ ...state.chosen, drg: wanted });
  chart.about = wanted === undefined ? "" : `${wanted} ${titled("drg", wanted)}`;
  chart.told = rows.length ? `${wanted} 共 ${rows[0].drg_cases} 例，例均 ${shown(rows[0].drg_mean, { digits: 2 })} 元。例数少的只作标记（淡色），不排名。`
    + (state.chosen.drg === undefined ? "这里是例数最多的病组；点选病组可换。" : "") : "";
  const few = (one) => one.few === "true";
  const order = [...rows.filter((one) => !few(one)).sort((one, two) => two.mean_charges - one.mean_charges),
    ...rows.filter(few).sort((one, two) => compared(one.doctor, two.doctor))].slice(0, 24);
  fromZero(chart, Math.max(...order.map((one) => one.mean_charges)), 92);
  const named = (one) => `${one.doctor_name}${few(one) ? "·例数少" : ""}${state.chosen.department === undefined ? `（${one.department_name}）` : ""}`;
  const twice = order.map(named).filter((label, at, all) => all.indexOf(label) !== at);
  return order.flatMap((one) => {
    // Two of one name are two bars.
    const label = twice.includes(named(one)) ? `${one.doctor} ${named(one)}` : named(one);
    const parts = FEES.map((fee) => [page.fees[fee], one[`mean_${fee}`]]);
    const rest = one.charges_fen - FEES.reduce((sum, fee) => sum + one[`${fee}_fen`], 0);
    if (rest > 0) parts.push(["未分类", over(rest / 100, one.priced_cases)]);
    return parts.map(([series, value], place) => ({
      label, series, value, place, few: few(one), cases: one.cases, code: one.doctor,
      department: one.department, drg: one.drg, end: one.mean_charges,
      words: place ? "" : `${shown(one.mean_charges, { digits: 0 })} · ${one.cases} 例`,
    }));
  });
}

/* Fees of a case beside what its DRG's cases cost elsewhere, over the cases where that is known. */
function feeBars(chart) {
  // The hospital's own means over all its cases are what they are.
  if (page.reference.own && !page.edition && state.rows.length === CASES) return [];
  chart.told = `参考：${page.reference.source}，按本期各病组的例数加权。`;
  const rows = [];
  for (const fee of FEES) {
    const means = page.reference[`${fee}_fen`];
    if (!means) continue;
    let count = 0, own = 0, theirs = 0;
    for (const at of state.rows) {
      const mean = means[text.drg.codes[at]];
      if (!flag.grouped[at] || !flag.priced[at] || mean === null) continue;
      count += 1;
      own += number[`${fee}_fen`][at];
      theirs += mean;
    }
    if (!count) continue;
    rows.push({ label: page.fees[fee], series: "参考", value: theirs / 100 / count });
    rows.push({ label: page.fees[fee], series: "本期", value: own / 100 / count });
  }
  fromZero(chart, Math.max(...rows.map((one) => one.value)), 62);
  return rows;
}

// ---- drawing

function chartFigure(value, key, heading) {
  if (typeof value !== "number") return value === null || value === undefined ? "" : String(value);
  if (heading.includes("占比")) return `${(value * 100).toFixed(1)}%`;
  return shown(value, { digits: heading.includes("例数") ? 0 : heading.includes("CMI") ? 4 : 2 });
}

function inWords(chart, rows) {
  const last = chart.columns[chart.columns.length - 1];
  const told = rows.slice(0, TOLD).map((row) => chart.columns
    .map(([key, heading]) => chartFigure(row[key], key, heading)).join(" "));
  return `${chart.heading.textContent}（${last[1]}）：${told.join("；")}${rows.length > TOLD ? `；共 ${rows.length} 项` : ""}`;
}

/* Names down the side take a step each; the library's own steps don't go with a fluid width. */
function chartHeight(spec, rows) {
  if (typeof spec.height === "number") return spec.height;
  const names = new Set(rows.map((row) => row.label)).size;
  const side = spec.height.for ? new Set(rows.map((row) => row.series)).size + 0.5 : 1;
  return names * spec.height.step * side;
}

function setUpCharts() {
  for (const chart of page.charts) {
    chart.heading = make("h3", { id: `chart-${chart.name}` });
    chart.place = make("div", { class: chart.drill ? "chart drills" : "chart" });
    chart.note = make("p", { class: "small" });
    chart.figures = make("details", { class: "figures" }, make("summary", {}, "图中的数"));
    chart.figures.addEventListener("toggle", () => chartTable(chart));
    const image = make("button", {
      type: "button", class: "quiet", "aria-label": `保存图片：${chart.title}`, on: () => picture(chart),
    }, "保存图片");
    chart.box = make("figure", { "aria-labelledby": chart.heading.id },
      make("figcaption", {}, chart.heading, image), chart.note, chart.place, chart.figures);
    byId(page.charts.indexOf(chart) < 2 ? "first-charts" : "charts").append(chart.box);
  }
}

/* The chart's description with the ends of its axis where the rows set them. */
function fitted(chart) {
  if (!chart.domain) return chart.spec;
  const spec = structuredClone(chart.spec);
  const home = spec.encoding.x ? spec : spec.layer[0];
  home.encoding.x.scale = { domain: chart.domain, nice: false };
  if (chart.upright) home.encoding.y.scale = { domain: chart.upright, nice: false };
  return spec;
}

async function drawChart(chart) {
  chart.about = scopeWords();
  chart.told = "";
  chart.domain = null;
  chart.upright = null;
  chart.box.hidden = false;
  const rows = ROWS[chart.name](chart);
  chart.rows = rows;
  chart.box.hidden = rows.length === 0;
  if (chart.view) chart.view.finalize();
  chart.view = null;
  chart.heading.textContent = chart.about ? `${chart.title}：${chart.about}` : chart.title;
  chart.note.textContent = chart.told;
  chartTable(chart);
  if (!rows.length) return;
  const narrow = chart.place.clientWidth < 480;
  const settings = {
    ...page.config, axisY: { labelLimit: narrow ? 110 : 200 },
    legend: { ...page.config.legend, ...(narrow ? { columns: 3 } : {}) },
  };
  const spec = {
    ...fitted(chart), data: { values: rows }, height: chartHeight(chart.spec, rows), description: inWords(chart, rows),
  };
  const made = await window.vegaEmbed(chart.place, spec, {
    mode: "vega-lite", renderer: "svg", actions: false, ast: true, config: settings, tooltip: { theme: "custom" },
  });
  chart.view = made.view;
  const svg = chart.place.querySelector("svg");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", inWords(chart, rows));
  if (!chart.drill) return;
  made.view.addEventListener("click", (event, item) => {
    if (item && item.datum && item.datum[chart.drill[1]] !== undefined) {
      followMark(chart, item.datum);
    }
  });
}

/* A doctor's bar is of the chart's DRG alone. */
function followMark(chart, datum) {
  const [dimension, key] = chart.drill;
  follow(dimension, { department: datum.department, drg: datum.drg, [dimension]: datum[key] },
    chart.name === "doctors" ? "drg_doctors" : "");
}

function chartTable(chart) {
  chart.figures.querySelector(".scroll")?.remove();
  if (!chart.figures.open || !chart.rows) return;
  const head = chart.columns.map(([, heading]) => make("th", { scope: "col" }, heading));
  const lines = chart.rows.map((row) => make("tr", {}, ...chart.columns.map(([key, heading], at) =>
    make(at ? "td" : "th", { class: typeof row[key] === "number" ? "n" : null, scope: at ? null : "row" },
      at === 0 && chart.drill ? make("button", {
        type: "button",
        on: () => followMark(chart, row),
      }, row[key]) : chartFigure(row[key], key, heading)))));
  chart.figures.append(make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `图中的数：${chart.title}` }, make("table", {},
    make("caption", { class: "unseen" }, chart.title),
    make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...lines))));
}

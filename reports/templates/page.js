/* A page of tables and charts: choices, drills, sorting, searching. */
const page = JSON.parse(byId("page-data").textContent);
const FIRST = 50, MORE = 200, PRINTED = 60;
const state = { chosen: page.chooser ? first() : "", drills: {} };

function first() {
  return page.chooser.values.find((value) => value !== page.chooser.base) || page.chooser.values[0];
}

function shown(value, how) {
  if (value === null || value === undefined) return "";
  if (how.kind === "fen") return yuan(value);
  if (how.kind === "wan") value = value / 1e6;
  if (how.digits < 0) return String(Number(value.toPrecision(12)));
  if (how.percent) return (value * 100).toFixed(how.digits) + "%";
  return rounded(value, how.digits);
}

// ---- figures in large type

function drawTiles() {
  const place = byId("tiles");
  place.replaceChildren(...page.tiles.map((tile) => {
    const value = tile.values[state.chosen];
    const base = page.chooser && page.chooser.base && state.chosen !== page.chooser.base
      ? tile.values[page.chooser.base] : null;
    const unit = tile.unit ? ` ${tile.unit}` : "";
    return make("div", { class: "tile" },
      make("span", { class: "small" }, tile.label),
      make("b", { class: value < 0 ? "loss" : null }, value === null || value === undefined ? "—" : shown(value, tile) + unit),
      base === null || base === undefined ? null
        : make("span", { class: "small" }, `${page.chooser.base} ${shown(base, tile)}`));
  }));
}

// ---- charts

function rowsOf(chart) {
  return chart.rows[""] || chart.rows[state.chosen] || [];
}

function figure(text, heading) {
  if (typeof text !== "number") return text === null || text === undefined ? "" : String(text);
  if (heading.includes("占比")) return (text * 100).toFixed(1) + "%";
  return shown(text, { kind: "number", digits: heading.includes("例") ? 0 : 2 });
}

function inWords(chart, rows) {
  const last = chart.columns[chart.columns.length - 1];
  const told = rows.slice(0, 12).map((row) => {
    const names = chart.columns.slice(0, -1).map(([key]) => row[key])
      .filter((value) => typeof value === "string");
    return `${names.join(" ")} ${figure(row[last[0]], last[1])}`;
  });
  const rest = rows.length > 12 ? `；共 ${rows.length} 项` : "";
  return `${chart.title}（${last[1]}）：${told.join("；")}${rest}`;
}

/* Names down the side take a step each; the library's own steps don't go with a fluid width. */
function height(spec, rows) {
  if (typeof spec.height === "number") return spec.height;
  const names = new Set(rows.map((row) => row[spec.encoding.y.field])).size;
  const side = spec.height.for ? new Set(rows.map((row) => row.series)).size + 0.5 : 1;
  return names * spec.height.step * side;
}

function setUpCharts() {
  const place = byId("charts");
  for (const chart of page.charts) {
    const title = make("h3", { id: `chart-${chart.name}` });
    const image = make("button", { type: "button", class: "quiet", "aria-label": `保存图片：${chart.title}` }, "保存图片");
    image.addEventListener("click", () => picture(chart));
    chart.place = make("div", { class: chart.drill ? "chart drills" : "chart" });
    chart.figures = make("details", { class: "figures" }, make("summary", {}, "图中的数"));
    chart.figures.addEventListener("toggle", () => chartFigures(chart));
    chart.heading = title;
    chart.box = make("figure", { class: chart.wide ? "wide" : null, "aria-labelledby": title.id },
      make("figcaption", {}, title, image),
      chart.note ? make("p", { class: "small" }, chart.note) : null, chart.place, chart.figures);
    place.append(chart.box);
  }
}

async function drawChart(chart) {
  const rows = rowsOf(chart);
  chart.box.hidden = rows.length === 0;
  if (chart.view) chart.view.finalize();
  chart.view = null;
  chartFigures(chart);
  if (!rows.length) return;
  const narrow = chart.place.clientWidth < 480;
  const unit = chart.columns[chart.columns.length - 1][1];
  const about = chart.rows[""] || !state.chosen ? "" : `：${state.chosen}`;
  chart.heading.textContent = `${chart.title}${about}`;
  const settings = {
    ...page.config, axisY: { labelLimit: narrow ? 104 : 190 },
    legend: { ...page.config.legend, ...(narrow ? { columns: 3 } : {}) },
  };
  const spec = {
    ...chart.spec, data: { values: rows }, height: height(chart.spec, rows),
    description: inWords(chart, rows),
  };
  const room = make("div", { class: "room" });
  chart.place.replaceChildren(room);
  const made = await window.vegaEmbed(room, spec, {
    mode: "vega-lite", renderer: "svg", actions: false, ast: true, config: settings,
    tooltip: { theme: "custom" },
  });
  if (room.parentNode !== chart.place) { // another choice was made meanwhile
    made.view.finalize();
    return;
  }
  chart.view = made.view;
  const svg = room.querySelector("svg");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${inWords(chart, rows)}。${unit}`);
  if (chart.drill) {
    made.view.addEventListener("click", (event, item) => {
      const value = item && item.datum && item.datum[chart.drill[1]];
      if (value !== undefined) choose(chart.drill[0], value);
    });
  }
}

function chartFigures(chart) {
  chart.figures.querySelector(".scroll")?.remove();
  if (!chart.figures.open) return;
  const head = chart.columns.map(([, heading]) => make("th", { class: "plain", scope: "col" }, heading));
  const lines = rowsOf(chart).map((row) => make("tr", {}, ...chart.columns.map(([key, heading]) =>
    make("td", { class: typeof row[key] === "number" ? "n" : null }, figure(row[key], heading)))));
  chart.figures.append(make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `图中的数：${chart.title}` }, make("table", {},
    make("caption", { class: "unseen" }, chart.title),
    make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...lines))));
}

// ---- tables

function cell(table, key, row) {
  const column = table.data[key];
  return Array.isArray(column) ? column[row] : column.words[column.codes[row]];
}

function place(table, key, value) {
  const column = table.data[key];
  return Array.isArray(column) ? null : column.words.indexOf(value);
}

/* Rows that the page's choices, the search and the order leave. */
function rowsLeft(table) {
  const wanted = [];
  const follows = table.chosen && !table.all;
  if (follows) wanted.push([table.data[table.chosen].codes, place(table, table.chosen, state.chosen)]);
  for (const [dimension, choice] of Object.entries(state.drills)) {
    const key = table.dimensions[dimension];
    if (key) wanted.push([table.data[key].codes, place(table, key, choice.value)]);
  }
  const search = table.search.value.trim().toLowerCase();
  const texts = search
    ? table.columns.filter((column) => column.kind === "text").map((column) => {
      const found = table.data[column.key].words.map((word) => word.toLowerCase().includes(search));
      return [table.data[column.key].codes, found];
    }) : [];
  const left = [];
  for (let row = 0; row < table.rows; row += 1) {
    if (wanted.some(([codes, code]) => codes[row] !== code)) continue;
    if (search && !texts.some(([codes, found]) => found[codes[row]])) continue;
    left.push(row);
  }
  if (table.order) {
    const { key, rising } = table.order;
    const sign = rising ? 1 : -1;
    left.sort((one, two) => sign * compared(cell(table, key, one), cell(table, key, two)) || one - two);
  }
  return left;
}

function compared(one, two) {
  if (one === two) return 0;
  if (one === null) return -1;
  if (two === null) return 1;
  return typeof one === "string" ? one.localeCompare(two, "zh-CN") : one - two;
}

function setUpTables() {
  const parent = byId("tables");
  page.tables.forEach((table, at) => {
    const id = `table-${at + 1}`;
    table.limit = FIRST;
    table.search = make("input", { type: "search", placeholder: "查找", "aria-label": `在“${table.title}”中查找` });
    table.search.addEventListener("input", () => drawTable(table));
    table.count = make("span", { class: "count" });
    table.body = make("tbody");
    table.heads = table.columns.map((column) => make("th", { scope: "col", class: column.kind === "text" ? null : "n" },
      make("span", {}, column.heading),
      make("button", { type: "button", "aria-label": `按${column.heading}排序`, on: () => sortBy(table, column.key) })));
    table.more = make("button", { type: "button", class: "quiet", on: () => { table.limit += MORE; drawTable(table); } }, "再列一些");
    table.box = make("section", { class: "sheet", "aria-labelledby": id },
      make("h2", { id }, table.title), table.note ? make("p", { class: "note" }, table.note) : null,
      make("div", { class: "tools" }, table.search,
        make("button", { type: "button", class: "quiet", on: () => exported(table) }, "导出所列（CSV）"), table.more, table.count),
      make("div", { class: "scroll", tabindex: "0", role: "region", "aria-labelledby": id },
        make("table", {}, make("caption", { class: "unseen" }, table.title),
          make("thead", {}, make("tr", {}, ...table.heads)), table.body)));
    parent.append(table.box);
    byId("contents").append(make("a", { href: `#${id}` }, table.title));
  });
}

function sortBy(table, key) {
  const rising = table.order && table.order.key === key ? !table.order.rising : false;
  table.order = { key, rising };
  table.columns.forEach((column, at) => {
    if (column.key === key) table.heads[at].setAttribute("aria-sort", rising ? "ascending" : "descending");
    else table.heads[at].removeAttribute("aria-sort");
  });
  drawTable(table);
}

function drawTable(table) {
  const left = rowsLeft(table);
  const lines = left.slice(0, table.limit).map((row) => line(table, row));
  const total = totalLine(table, left);
  table.body.replaceChildren(...lines, ...(total ? [total] : []));
  table.more.hidden = left.length <= table.limit;
  const listed = Math.min(left.length, table.limit);
  table.count.textContent = listed < left.length ? `列出 ${listed} 行，共 ${left.length} 行` : `${left.length} 行`;
  table.box.hidden = table.rows === 0;
}

function line(table, row) {
  const chosen = table.all && cell(table, table.chosen, row) === state.chosen;
  return make("tr", { class: chosen ? "chosen" : null }, ...table.columns.map((column) => {
    const value = cell(table, column.key, row);
    if (column.kind === "text" || column.kind === "date") return textCell(table, column, row, value);
    return make("td", { class: value < 0 ? "n loss" : "n" }, shown(value, column));
  }));
}

function textCell(table, column, row, value) {
  const dimension = column.link;
  const key = dimension && (dimension === page.dimensions[""] ? table.chosen : table.dimensions[dimension]);
  if (column.form === "badge" && page.badges[value]) {
    const mark = make("span", { class: "badge" }, value);
    [mark.style.background, mark.style.color] = page.badges[value].map((name) => `var(--${name})`);
    return make("td", {}, mark);
  }
  if (!key || !value) return make("td", { class: column.form === "badge" ? null : column.form || null }, value);
  return make("td", {}, make("button", {
    type: "button", on: () => choose(dimension, cell(table, key, row), value),
  }, value));
}

function totalLine(table, left) {
  if (!table.whole || left.length < 2 || table.all || !table.columns.some((column) => column.sum)) return null;
  return make("tr", { class: "sum" }, ...table.columns.map((column, at) => {
    if (!column.sum) return make("td", {}, at === 0 ? "合计" : "");
    const total = left.reduce((sum, row) => sum + (cell(table, column.key, row) || 0), 0);
    return make("td", { class: total < 0 ? "n loss" : "n" }, shown(total, column));
  }));
}

function exported(table) {
  const lines = [table.columns.map((column) => field(column.heading)).join(",")];
  for (const row of rowsLeft(table)) {
    lines.push(table.columns.map((column) => field(plain(cell(table, column.key, row), column))).join(","));
  }
  save(`${page.file}-${table.title}.csv`, "\ufeff" + lines.join("\r\n") + "\r\n", "text/csv");
  say(`已导出 ${lines.length - 1} 行`);
}

// ---- choices

/* A dimension's value is chosen, from a chart or a table; once more takes it back. */
function choose(dimension, value, words) {
  const held = document.activeElement, home = (held && held.closest(".scroll")) || byId("main");
  applied(dimension, value, words);
  if (held && !held.isConnected) home.focus({ preventScroll: true }); // what was clicked has gone
}

function applied(dimension, value, words) {
  if (page.chooser && dimension === page.dimensions[""]) {
    state.chosen = value;
    byId("chooser").value = value;
    draw();
    say(`现在看：${value}`);
    return;
  }
  if (state.drills[dimension] && state.drills[dimension].value === value) delete state.drills[dimension];
  else state.drills[dimension] = { value, words: words || named(dimension, value) };
  drawChips();
  page.tables.forEach(drawTable);
}

/* The name that goes with a code, from any table that shows both. */
function named(dimension, value) {
  for (const table of page.tables) {
    const key = table.dimensions[dimension];
    const linked = table.columns.filter((column) => column.link === dimension).pop();
    if (!key || !linked) continue;
    const row = table.data[key].codes.indexOf(place(table, key, value));
    if (row >= 0) return cell(table, linked.key, row);
  }
  return value;
}

function drawChips() {
  const chips = Object.entries(state.drills).map(([dimension, choice]) => make("button", {
    type: "button", class: "chip", "aria-label": `取消：${choice.words}`,
    on: () => choose(dimension, choice.value),
  }, `${page.dimensions[dimension] || dimension}：${choice.words} ✕`));
  byId("chips").replaceChildren(...chips);
  if (chips.length) say(`只看 ${chips.map((chip) => chip.textContent).join("、")}`);
}

async function draw() {
  const chosen = state.chosen;
  drawTiles();
  page.tables.forEach(drawTable);
  await Promise.all(page.charts.map(drawChart));
  if (chosen === state.chosen) document.documentElement.dataset.drawn = chosen || "all";
}

function setUpTheme() {
  const root = document.documentElement;
  byId("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });
}

/* Paper has more rows, and what the page was made from. */
function setUpPrint() {
  const facts = document.querySelector(".facts");
  const turn = (printing) => {
    if (facts && printing) facts.dataset.open = facts.open ? "yes" : "";
    if (facts) facts.open = printing || facts.dataset.open === "yes";
    for (const table of page.tables) {
      if (printing) table.screen = table.limit;
      table.limit = printing ? Math.max(table.limit, PRINTED) : table.screen;
      drawTable(table);
    }
  };
  addEventListener("beforeprint", () => turn(true));
  addEventListener("afterprint", () => turn(false));
}

setUpTheme();
setUpPrint();
setUpCharts();
setUpTables();
const chooser = byId("chooser");
if (chooser) {
  chooser.value = state.chosen;
  chooser.addEventListener("change", () => choose(page.dimensions[""], chooser.value));
}
draw();

/* Sheets as tabs, each with its tables: sort, search, follow a figure, export. */
const FIRST = 60, MORE = 300, PRINTED = 120;
/* Groups of columns that begin further to the right aren't printed. */
const LAST_PRINTED = 18;
/* Where a click leads, the last on a path that has rows. */
const NEXT = {
  period: ["departments"], insurance: ["departments"], kind: ["cases"],
  department: ["doctor_groups", "doctors", "drgs"], doctor_group: ["doctors"],
  doctor: ["drgs"], drg: ["cases"],
};
const sheets = page.sheets;
const sheetOf = new Map();
for (const sheet of sheets) for (const table of sheet.tables) {
  if (!sheetOf.has(table.source)) sheetOf.set(table.source, sheet.name);
  for (const column of table.columns) column.home = column.link && linkHome(table, column);
}

/* Of a code and its name one is enough to click on. */
function linkHome(table, column) {
  return table.columns.find((other) => other.link === column.link) === column ? column.link : null;
}

function setUpTabs() {
  const place = byId("tabs");
  for (const sheet of sheets) {
    sheet.tab = make("button", {
      type: "button", role: "tab", id: `tab-${sheets.indexOf(sheet)}`, "aria-controls": "sheet",
      on: () => go({ sheet: sheet.name }),
    }, sheet.name);
    place.append(sheet.tab);
  }
  place.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const at = sheets.findIndex((sheet) => sheet.name === state.sheet);
    const next = sheets[(at + step + sheets.length) % sheets.length];
    go({ sheet: next.name });
    next.tab.focus();
  });
}

function drawSheet() {
  const sheet = sheets.find((one) => one.name === state.sheet) || sheets[0];
  for (const one of sheets) {
    one.tab.setAttribute("aria-selected", String(one === sheet));
    one.tab.tabIndex = one === sheet ? 0 : -1;
  }
  sheet.tab.scrollIntoView({ block: "nearest", inline: "nearest" });
  const place = byId("sheet");
  place.setAttribute("aria-labelledby", sheet.tab.id);
  place.replaceChildren(
    make("h2", {}, sheet.title),
    make("p", { class: "note" }, sheet.note, aboutCauses(sheet)),
    ...sheet.tables.filter((table) => table.source !== "causes_drgs" || !itself())
      .map((table, at) => tableBox(sheet, table, at)),
  );
}

function aboutCauses(sheet) {
  const aside = Object.keys(state.chosen).filter((name) => !["department", "drg"].includes(name));
  if (!aside.length || !sheet.tables.some((table) => table.source.startsWith("causes"))) return "";
  return `　此表只按科室和病组筛选，不随${aside.map((name) => DIMENSIONS[name]).join("、")}。`;
}

function tableBox(sheet, table, at) {
  const words = table.title || sheet.title;
  table.name = words;
  table.limit = FIRST;
  table.rows = table.source === "header" ? headerRows(table) : sourceRows(table.source, state.chosen, state.rows);
  table.shown = table.source === "header" ? headerColumns() : shownColumns(table);
  table.names = table.shown.find((column) => column.home) || table.shown[0];
  table.total = table.rows.length > 1 ? totalRow(table.source, state.rows, table.rows) : null;
  table.order = null;
  const id = `table-${at}`;
  table.body = make("tbody");
  table.count = make("span", { class: "count" });
  table.search = make("input", { type: "search", placeholder: "查找", "aria-label": `在“${words}”中查找` });
  table.search.addEventListener("input", () => drawRows(table));
  table.more = make("button", {
    type: "button", class: "quiet", on: () => { table.limit += MORE; drawRows(table); },
  }, "再列一些");
  const box = make("div", { class: "table" },
    table.title ? make("h3", { id }, table.title) : null,
    make("div", { class: "tools" }, table.rows.length > 10 ? table.search : null,
      make("button", { type: "button", class: "quiet", on: () => exported(table) }, "导出所列（CSV）"),
      table.more, table.count),
    make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": words },
      make("table", {}, make("caption", { class: "unseen" }, `${words}：${scopeWords()}`),
        heads(table), table.body)),
    table.shown.some((column) => column.late)
      ? make("p", { class: "note printed" }, "打印时右边的列略去；全部的列在本页、导出的 CSV 和工作簿里。") : null);
  drawRows(table);
  return box;
}

function shownColumns(table) {
  const rows = table.rows;
  return table.columns.filter((column) => {
    if (rows.length && cell(rows[0], column.key) === undefined) {
      return rows.some((one) => cell(one, column.key) !== undefined);
    }
    return !column.optional || rows.some((one) => cell(one, column.key));
  });
}

function heads(table) {
  const groups = [];
  for (const column of table.shown) {
    const last = groups[groups.length - 1];
    if (last && last.words === (column.group || "") && column.group) last.columns.push(column);
    else groups.push({ words: column.group || "", columns: [column] });
  }
  const two = groups.some((group) => group.words);
  let right = 0;
  for (const group of groups) {
    group.late = right >= LAST_PRINTED;
    for (const column of group.columns) column.late = group.late;
    right += group.columns.length;
  }
  const head = (column) => {
    column.head = make("th", {
      scope: "col", class: `${column.kind === "text" ? "" : "n"}${column.late ? " late" : ""}`,
      rowspan: two && !column.group ? 2 : null,
    }, make("span", {}, column.heading), make("button", {
      type: "button", "aria-label": `按${column.heading}排序`, on: () => sortBy(table, column),
    }));
    return column.head;
  };
  if (!two) return make("thead", {}, make("tr", {}, ...table.shown.map(head)));
  const top = [], below = [];
  for (const group of groups) {
    if (!group.words) top.push(...group.columns.map(head));
    else {
      top.push(make("th", { scope: "colgroup", class: group.late ? "group late" : "group", colspan: group.columns.length }, group.words));
      below.push(...group.columns.map(head));
    }
  }
  return make("thead", { class: "two" }, make("tr", {}, ...top), make("tr", {}, ...below));
}

function sortBy(table, column) {
  const rising = table.order && table.order.key === column.key ? !table.order.rising : column.kind === "text";
  table.order = { key: column.key, rising };
  for (const one of table.shown) {
    if (one === column) one.head.setAttribute("aria-sort", rising ? "ascending" : "descending");
    else one.head.removeAttribute("aria-sort");
  }
  drawRows(table);
}

function words(one, column) {
  const value = cell(one, column.key);
  if (column.key === "few") return value === "true" ? "例数少" : "";
  if (column.key === "kind") return titled("kind", value);
  return value;
}

/* The rows that the search leaves, in their order. */
function listed(table) {
  const wanted = table.search.value.trim().toLowerCase();
  const texts = table.shown.filter((column) => column.kind === "text");
  let rows = wanted ? table.rows.filter((one) => texts.some((column) =>
    String(words(one, column) ?? "").toLowerCase().includes(wanted))) : table.rows;
  if (table.order) {
    const { key, rising } = table.order;
    const sign = rising ? 1 : -1;
    rows = rows.map((one, at) => [one, cell(one, key), at])
      .sort((one, two) => sign * compared(one[1], two[1]) || one[2] - two[2]).map(([one]) => one);
  }
  return rows;
}

function drawRows(table) {
  const rows = listed(table);
  const lines = rows.slice(0, table.limit).map((one) => line(table, one));
  if (table.total && rows.length === table.rows.length) lines.push(line(table, table.total, true));
  table.body.replaceChildren(...lines);
  table.more.hidden = rows.length <= table.limit;
  const shownRows = Math.min(rows.length, table.limit);
  table.count.textContent = shownRows < rows.length
    ? `列出 ${grouped(String(shownRows))} 行，共 ${grouped(String(rows.length))} 行` : `${rows.length} 行`;
}

function line(table, one, whole = false) {
  return make("tr", { class: whole ? "sum" : null }, ...table.shown.map((column, at) => {
    if (whole && at === 0) return make("th", { scope: "row" }, "合计");
    const value = words(one, column);
    const how = one.how || column;
    const late = column.late ? " late" : "";
    if (typeof value === "number") {
      return make("td", { class: (value < 0 && isMoney(how, column) ? "n loss" : "n") + late }, shown(value, how));
    }
    if (whole || value === null || value === undefined || value === "") return make("td", { class: late || null });
    const inside = column.form === "badge" && page.badges[value] ? badge(value) : value;
    const linked = column.home && !whole && leads(column.home, one)
      ? make("button", { type: "button", on: () => follow(column.home, one, table.source) }, inside) : inside;
    return column === table.names ? make("th", { scope: "row" }, linked)
      : make("td", { class: (column.kind !== "text" ? "n" : column.form || "") + late }, linked);
  }));
}

/* A row of causes may be of groups without cases. */
function leads(dimension, one) {
  return !text[dimension] || text[dimension].words.includes(cell(one, dimension));
}

/* Below zero is bad of amounts only, and not of their differences from another period. */
function isMoney(how, column) {
  return (how.kind === "fen" || how.kind === "wan" || how.key.startsWith("surplus")) && !column.key.startsWith("more");
}

function badge(value) {
  const mark = make("span", { class: "badge" }, value);
  [mark.style.background, mark.style.color] = page.badges[value].map((name) => `var(--${name})`);
  return mark;
}

/* What a row of several is of, from the widest on: a click leads to it and what it stands in. */
const WITHIN = { causes: ["department", "drg"], drg_doctors: ["drg", "department", "doctor"] };

/* A figure is followed to what it is made of. */
function follow(dimension, one, source) {
  if (dimension === "case") { go({ case: one }); return; }
  const chosen = { ...state.chosen, [dimension]: cell(one, dimension) };
  if (["doctor", "doctor_group"].includes(dimension)) chosen.department = cell(one, "department");
  const within = WITHIN[source] || [];
  for (const name of within.slice(0, within.indexOf(dimension) + 1)) chosen[name] = cell(one, name);
  const next = NEXT[dimension].find((name) => sheetOf.has(name)
    && !(name === "drgs" && chosen.drg !== undefined)) || "cases";
  go({ chosen, sheet: sheetOf.get(next), case: null });
  byId("crumbs").scrollIntoView({ block: "nearest" });
  byId("sheet").focus({ preventScroll: true });
}

function exported(table) {
  const heading = (column) => field(column.group && table.shown.some((other) => other !== column
    && other.heading === column.heading) ? `${column.group}·${column.heading}` : column.heading);
  const rows = listed(table);
  const lines = [table.shown.map(heading).join(",")];
  for (const one of rows) {
    lines.push(table.shown.map((column) => field(plain(words(one, column), one.how || column))).join(","));
  }
  const name = [page.file, table.name, ...Object.entries(state.chosen).map(([d, w]) => titled(d, w))].join("-");
  save(`${name}.csv`, `\ufeff${lines.join("\r\n")}\r\n`, "text/csv");
  say(`已导出 ${rows.length} 行`);
}

// ---- the indicators: one a row, this period beside the others

function headerColumns() {
  const compare = comparable();
  const columns = [{ key: "indicator", heading: "指标", kind: "text", form: "" }];
  const numbers = (key, heading) => columns.push({ key, heading, kind: "number", digits: 2, form: "" });
  numbers("now", "本期");
  compare.forEach((row, at) => {
    numbers(`then${at}`, row.label);
    numbers(`more${at}`, `较${row.label}`);
  });
  return columns;
}

/* Other periods are known of the whole report only. */
function comparable() {
  return Object.keys(state.chosen).length ? [] : page.compared.slice(1);
}

function headerRows(table) {
  const now = { ...measured(state.rows)[0] };
  if (!Object.keys(state.chosen).length) now.low_risk_mortality = page.compared[0].low_risk_mortality;
  const others = comparable();
  return table.columns.filter((column) => column.key !== "label"
    && now[column.key] !== null && now[column.key] !== undefined && !(column.optional && !now[column.key]))
    .map((column) => {
      const one = { indicator: column.heading, now: now[column.key], how: column };
      others.forEach((row, at) => {
        const then = row[column.key];
        one[`then${at}`] = then;
        if (then !== null && then !== undefined) one[`more${at}`] = now[column.key] - then;
      });
      return one;
    });
}

/* What the page is about now, in its address, so that "back" goes back. */
const state = { chosen: {}, sheet: "", case: null, rows: new Int32Array(0) };
const root = document.documentElement;
let version = 0, drawing = 0;

function address(next) {
  const held = new URLSearchParams();
  for (const [name, word] of Object.entries(next.chosen)) held.set(name, word);
  if (next.sheet) held.set("sheet", next.sheet);
  if (next.case !== null) held.set("case", String(next.case));
  return `#${held}`;
}

function go(change) {
  const next = address({ chosen: state.chosen, sheet: state.sheet, case: state.case, ...change });
  if (next === location.hash) return;
  location.hash = next;
  settle();
}

/* The state that the address tells; what is unknown is left aside. */
function settle() {
  const held = new URLSearchParams(location.hash.slice(1));
  const before = JSON.stringify([state.chosen, state.sheet, state.case]);
  const scope = JSON.stringify(state.chosen);
  state.chosen = {};
  for (const dimension of Object.keys(DIMENSIONS)) {
    const word = held.get(dimension);
    if (word !== null && text[dimension].words.includes(word)) state.chosen[dimension] = word;
  }
  const sheet = held.get("sheet");
  state.sheet = sheets.some((one) => one.name === sheet) ? sheet : sheetOf.get("departments");
  const at = held.get("case");
  state.case = at !== null && /^\d+$/.test(at) && Number(at) < CASES ? Number(at) : null;
  if (version && before === JSON.stringify([state.chosen, state.sheet, state.case])) return;
  draw(!version || scope !== JSON.stringify(state.chosen));
}

function scopeWords(aside = []) {
  const words = Object.entries(state.chosen).filter(([dimension]) => !aside.includes(dimension)).map(([dimension, word]) => titled(dimension, word));
  return words.length ? words.join(" · ") : page.whole;
}

function choose(dimension, word) {
  const chosen = { ...state.chosen };
  if (word === null) delete chosen[dimension];
  else chosen[dimension] = word;
  if (dimension === "department") { delete chosen.doctor; delete chosen.doctor_group; }
  go({ chosen, case: null });
}

// ---- filters and where one is

function setUpFilters() {
  for (const dimension of ["period", "department", "insurance", "kind"]) {
    const words = text[dimension].words;
    if (words.length < 2) continue;
    const list = make("select", { id: `filter-${dimension}` },
      make("option", { value: "" }, "全部"),
      ...words.map((word, at) => make("option", { value: String(at + 1) }, titled(dimension, word))));
    list.addEventListener("change", () => choose(dimension, list.value ? words[Number(list.value) - 1] : null));
    byId("filters").append(make("label", {}, DIMENSIONS[dimension], " ", list));
  }
  byId("clear").addEventListener("click", () => go({ chosen: {}, case: null }));
}

function drawFilters() {
  for (const dimension of ["period", "department", "insurance", "kind"]) {
    const list = byId(`filter-${dimension}`);
    const word = state.chosen[dimension];
    if (list) list.value = word === undefined ? "" : String(text[dimension].words.indexOf(word) + 1);
  }
  byId("clear").hidden = !Object.keys(state.chosen).length && state.case === null;
}

function drawCrumbs() {
  const steps = [[page.whole, {}]];
  const held = {};
  for (const [dimension, word] of Object.entries(state.chosen)) {
    held[dimension] = word;
    const name = titled(dimension, word);
    const more = dimension === "drg" && name !== word ? `${word} ${name}` : name;
    steps.push([`${DIMENSIONS[dimension]} ${more}`, { ...held }]);
  }
  if (state.case !== null) steps.push([`病例 ${page.ids[state.case]}`, null]);
  byId("crumbs").replaceChildren(make("ol", {}, ...steps.map(([words, chosen], at) => make("li", {},
    at === steps.length - 1 ? make("span", { "aria-current": "page" }, words)
      : make("button", { type: "button", on: () => go({ chosen, case: null }) }, words)))));
}

// ---- figures in large type

function drawTiles(now) {
  const chosen = Object.keys(state.chosen).length > 0;
  const whole = chosen ? measured(rowsOf({}))[0] : null;
  byId("tiles").replaceChildren(...page.tiles.map((tile) => {
    const value = now[tile.key];
    const unit = tile.unit ? ` ${tile.unit}` : "";
    const beside = chosen ? [`${page.whole} ${shown(whole[tile.key], tile)}`]
      : comparable().filter((row) => row[tile.key] !== null && row[tile.key] !== undefined)
        .map((row) => `${row.label} ${shown(row[tile.key], tile)}`);
    return make("div", { class: "tile", "data-key": tile.key },
      make("span", { class: "small" }, tile.heading),
      make("b", { class: value < 0 ? "loss" : null }, value === null ? "—" : shown(value, tile) + unit),
      ...beside.map((words) => make("span", { class: "small beside" }, words)));
  }));
}

// ---- drawing

function draw(scoped) {
  const held = document.activeElement;
  version += 1;
  state.rows = rowsOf(state.chosen);
  const now = measured(state.rows)[0];
  drawFilters();
  drawCrumbs();
  if (scoped) drawTiles(now);
  drawSheet();
  drawCase();
  const words = `${grouped(String(now.cases))} 例，盈亏 ${yuan(now.surplus_fen)} 元`;
  byId("scope").textContent = words;
  if (version > 1) say(`${scopeWords()}：${words}`);
  if (state.case !== null) {
    showCase();
    byId("case-title").focus({ preventScroll: true });
  } else if (held && (!held.isConnected || held.hidden)) {
    byId("sheet").focus({ preventScroll: true }); // what was clicked has gone
  }
  root.dataset.shown = String(version);
  if (scoped) drawCharts();
  else if (root.dataset.drawn) root.dataset.drawn = String(version);
}

function showCase() {
  byId("case").scrollIntoView({ block: "start" });
}

/* One after the other, so that the page answers meanwhile; a newer choice ends it. */
async function drawCharts() {
  drawing += 1;
  const mine = drawing;
  delete root.dataset.drawn;
  for (const chart of page.charts) {
    await new Promise((then) => setTimeout(then));
    if (mine !== drawing) return;
    await drawChart(chart);
  }
  if (mine !== drawing) return;
  performance.mark("drawn");
  // Charts above it have moved it.
  if (state.case !== null && document.activeElement === byId("case-title")) showCase();
  root.dataset.drawn = String(version);
}

function setUpTheme() {
  byId("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });
}

function setUpPrint() {
  const tables = () => (sheets.find((one) => one.name === state.sheet) || sheets[0]).tables;
  addEventListener("beforeprint", () => tables().forEach((table) => {
    table.screen = table.limit;
    table.limit = Math.max(table.limit, PRINTED);
    drawRows(table);
  }));
  addEventListener("afterprint", () => tables().forEach((table) => {
    table.limit = table.screen;
    drawRows(table);
  }));
}

setUpTheme();
setUpPrint();
setUpFilters();
setUpTabs();
setUpCharts();
addEventListener("hashchange", settle);
settle();

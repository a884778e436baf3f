/* One case: what it cost and got, its fees beside its DRG's, why it grouped and was paid so. */
const FILLED = ["charges", "standard", "paid", "surplus", "formula", "adjustment", "cost_surplus"];

/* As reports.desk_page_paths.whole_path puts a path together. */
function pathOf(at) {
  const paths = page.paths;
  if (!paths.lines) return null;
  const [formula, ...rest] = paths.paid[at];
  let place = 0;
  const paid = [...paths.formulas[formula]].map((sign) => {
    if (sign === "\ue002") { place += 1; return paths.figures[rest[place - 1]]; }
    const column = FILLED[sign.charCodeAt(0) - 0xe010];
    return column ? yuan(number[`${column}_fen`][at]) : sign;
  }).join("");
  const named = (line) => line.replaceAll("\ue000", () => page.ids[at]).replaceAll("\ue001", () => caseCell(at, "drg"));
  return { grouped: paths.grouped[at].map((line) => named(paths.lines[line])), paid: named(paid).split("\n") };
}

function drawCase() {
  const box = byId("case"), at = state.case;
  box.hidden = at === null;
  if (at === null) { box.replaceChildren(); return; }
  const value = (key) => caseCell(at, key);
  const order = Array.from(state.rows).sort((one, two) => number.surplus_fen[one] - number.surplus_fen[two] || one - two);
  const place = order.indexOf(at);
  const step = (words, to) => make("button", {
    type: "button", class: "quiet", disabled: order[to] === undefined, on: () => go({ case: order[to] }),
  }, words);
  const facts = [
    ["月份", value("period")], ["科室", value("department_name")], ["医疗组", value("doctor_group")],
    ["医生", value("doctor_name")], ["险种", value("insurance_name")], ["主要诊断", value("principal_dx")],
    ["住院天数", value("los") === null ? "" : String(value("los"))],
    ["病组", `${value("drg")} ${value("drg_name") === value("drg") ? "" : value("drg_name")}`],
    ["病例类型", titled("kind", value("kind"))], ["依据", value("basis_words")],
  ].filter(([, words]) => words);
  box.replaceChildren(
    make("div", { class: "head" },
      make("h2", { id: "case-title", tabindex: "-1" }, `病例 ${page.ids[at]}`),
      make("span", { class: "tools" }, place >= 0 ? make("span", { class: "count" }, `盈亏由低到高第 ${place + 1} ／ ${order.length} 例`) : null,
        step("上一例", place - 1), step("下一例", place + 1),
        make("button", { type: "button", class: "quiet", on: () => go({ case: null }) }, "关闭"))),
    make("dl", { class: "case-facts" }, ...facts.map(([name, words]) => make("div", {}, make("dt", {}, name), make("dd", {}, words)))),
    make("div", { class: "case-parts" }, moneyTable(at), feeTable(at)),
    make("div", { class: "case-parts" }, ...pathParts(at)),
  );
}

function small(caption, heads, lines) {
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    make("table", {}, make("caption", {}, caption),
      make("thead", {}, make("tr", {}, ...heads.map((words, at) => make("th", { scope: "col", class: at ? "n" : null }, words)))),
      make("tbody", {}, ...lines.map(([name, ...cells]) => make("tr", { class: name === "合计" ? "sum" : null },
        make("th", { scope: "row" }, name), ...cells.map(([words, minus]) => make("td", { class: minus ? "n loss" : "n" }, words)))))));
}

function money(fen) {
  return fen === null || fen === undefined ? ["—", false] : [yuan(fen), fen < 0];
}

function moneyTable(at) {
  const value = (key) => caseCell(at, `${key}_fen`);
  const lines = [
    ["总费用", value("charges")], ["支付标准", value("standard")], ["应得支付", value("paid")],
    ["公式盈亏（标准 − 费用）", value("formula")], ["调整", value("adjustment")], ["医保盈亏", value("surplus")],
    ["个人负担", value("personal")], ["成本", value("cost")], ["成本盈亏", value("cost_surplus")],
  ].filter(([, fen], place) => place < 6 || fen).map(([name, fen]) => [name, money(fen)]);
  if (flag.standing[at]) {
    lines.push(["费用 ÷ 标准", [(number.charges_fen[at] / number.standard_fen[at]).toFixed(4), false]]);
  }
  return small("费用与支付（元）", ["项目", "金额"], lines);
}

function feeTable(at) {
  const all = number.charges_fen[at];
  let rest = all, sum = 0, known = false;
  const lines = FEES.map((fee) => {
    const fen = number[`${fee}_fen`][at], means = page.reference[`${fee}_fen`];
    const mean = flag.grouped[at] && means ? means[text.drg.codes[at]] : null;
    rest -= fen;
    if (mean !== null) { sum += mean; known = true; }
    return [page.fees[fee], money(fen), [all ? `${(fen / all * 100).toFixed(1)}%` : "", false],
      mean === null ? ["—", false] : [shown(mean / 100, { digits: 2 }), false],
      mean === null ? ["—", false] : [shown((fen - mean) / 100, { digits: 2 }), fen > mean]];
  });
  if (rest) lines.push(["未分类", money(rest), [all ? `${(rest / all * 100).toFixed(1)}%` : "", false], ["—", false], ["—", false]]);
  const mean = flag.grouped[at] && page.reference.charges_fen ? page.reference.charges_fen[text.drg.codes[at]] : null;
  lines.push(["合计", money(all), ["", false],
    mean === null ? ["—", false] : [shown(mean / 100, { digits: 2 }), false],
    mean === null ? ["—", false] : [shown((all - mean) / 100, { digits: 2 }), all > mean]]);
  return small("各类费用与本病组的参考均值（元）", ["类别", "本例", "占比", "参考", "比参考多"], lines);
}

function pathParts(at) {
  const path = pathOf(at);
  if (!path) {
    return [make("p", { class: "note" }, "病例多，本页未收入分组与付费经过。请运行：",
      make("code", {}, `drg-engine explain 工作区 ${caseCell(at, "period")} --case 病案号`))];
  }
  const part = (title, lines) => make("div", { class: "path" }, make("h3", {}, title),
    make("ol", {}, ...lines.map((words) => make("li", {}, words))));
  return [part("为什么分到这一组", path.grouped), part("为什么这样支付", path.paid)];
}

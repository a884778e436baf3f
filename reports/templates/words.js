/* What all pages have: elements, figures in words, files. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") element.addEventListener("click", value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function byId(id) {
  return document.getElementById(id);
}

function grouped(digits) {
  return digits.replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}

/* Fen are whole numbers: cut, never divided. */
function yuan(fen) {
  const digits = String(Math.abs(fen)).padStart(3, "0");
  return (fen < 0 ? "-" : "") + grouped(digits.slice(0, -2)) + "." + digits.slice(-2);
}

/* So many decimals, thousands apart; what rounds to nothing has no sign. */
function rounded(value, digits) {
  const [whole, part] = Math.abs(value).toFixed(digits).split(".");
  const words = grouped(whole) + (part ? `.${part}` : "");
  return (value < 0 && Number(words.replace(/,/g, "")) !== 0 ? "-" : "") + words;
}

function plain(value, how) {
  if (value === null || value === undefined) return "";
  return how.kind === "fen" && typeof value === "number" ? yuan(value).replace(/,/g, "") : String(value);
}

/* A field of a CSV file that no spreadsheet takes for a formula. */
function field(words) {
  const safe = /^[=+\-@\t\r]/.test(words) && !/^-?[\d.]+(e[+-]\d+)?$/.test(words) ? `'${words}` : words;
  return /[",\n\r]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
}

function save(name, content, type) {
  const address = URL.createObjectURL(new Blob([content], { type }));
  make("a", { href: address, download: name.replace(/[\\/:*?"<>|]/g, "_") }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

function say(words) {
  byId("live").textContent = words;
}

/* The drawing with the colours of the moment, as a picture for a report. */
async function picture(chart) {
  const svg = chart.place.querySelector("svg");
  const colours = getComputedStyle(document.documentElement);
  const drawn = new XMLSerializer().serializeToString(svg)
    .replace(/var\((--[\w-]+)\)/g, (_, name) => colours.getPropertyValue(name).trim());
  const image = new Image();
  // An address cannot hold half a character, which a label may end with that the library shortened.
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(drawn.replace(/\p{Surrogate}/gu, ""))}`;
  await image.decode();
  const canvas = make("canvas"), box = svg.getBoundingClientRect();
  [canvas.width, canvas.height] = [box.width * 2, box.height * 2];
  const pen = canvas.getContext("2d");
  pen.fillStyle = colours.getPropertyValue("--paper");
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(image, 0, 0, canvas.width, canvas.height);
  canvas.toBlob((blob) => save(`${page.file}-${chart.heading.textContent}.png`, blob, "image/png"));
}

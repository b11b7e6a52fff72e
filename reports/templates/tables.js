"use strict";
const UNITS = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1, "KiB": 2 ** 10, "MiB": 2 ** 20, "GiB": 2 ** 30};

function key(cell) {
  const text = (cell.dataset.sort ?? cell.textContent).trim();
  const [, number, unit] = /^(-?[\d.]+(?:e[-+]?\d+)?)\s*([a-zA-Zµ]*)/.exec(text) ?? [];
  return number === undefined ? text : parseFloat(number) * (UNITS[unit] ?? 1);
}

function order(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "en", {numeric: true});
}

function sort(head, heads, body) {
  const up = head.getAttribute("aria-sort") !== "ascending";
  for (const other of heads) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const keyed = [...body.rows].map(row => [key(row.cells[head.cellIndex]), row]);
  const known = keyed.filter(([one]) => one !== "–" && one !== "");
  known.sort(([a], [b]) => up ? order(a, b) : order(b, a));
  body.append(...known.concat(keyed.filter(one => !known.includes(one))).map(([, row]) => row));
}

function filter(words, body, shown) {
  const rows = [...body.rows];
  for (const row of rows)
    row.hidden = !words.every(word => row.textContent.toLowerCase().includes(word));
  shown.value = `${rows.filter(row => !row.hidden).length} of ${rows.length} shown`;
}

function filterable(table, body) {
  const line = document.createElement("p"), label = document.createElement("label"), text = document.createElement("input");
  const shown = document.createElement("output");
  text.type = "search";
  text.autocomplete = "off";
  label.append("Only rows with ", text);
  line.className = "narrow";
  line.append(label, " ", shown);
  text.addEventListener("input", () => filter(text.value.toLowerCase().split(/\s+/), body, shown));
  (table.closest(".wide") ?? table).before(line);
}

for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  for (const head of heads) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => { table.classList.add("sorted"); sort(head, heads, body); });
  }
  if (body.rows.length > 7) filterable(table, body);
}

// What every part of the page takes: elements, the report's data unpacked, colours, and text for plotly.

const byId = (id) => document.getElementById(id);
const report = JSON.parse(byId("report-data").textContent);
const CURVE_RECALLS = 41;
const SHARE_UNITS = 60000;
const NO_SHARE = 65535;

/** An element; children are elements or text, never markup: the texts of a report come from data. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    else if (name === "checked" || name === "hidden" || name === "selected") made[name] = value;
    else if (value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** A labelled choice; options are [value, text] or text. */
function choice(label, options, chosen, onChange) {
  const select = element("select", { on: { change: () => onChange(select.value) } });
  for (const option of options) {
    const [value, text] = Array.isArray(option) ? option : [option, option];
    select.append(element("option", { value, selected: String(value) === String(chosen) }, text));
  }
  return element("label", {}, label + " ", select);
}

/** Text as plotly shows it literally: it has tags and entities of its own. */
function literal(text) {
  return String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

function percent(value, digits = 2) {
  return value === null || value === undefined || Number.isNaN(value) ? "–" : (100 * value).toFixed(digits) + "%";
}

function shortened(text, length) {
  const characters = [...text];
  return characters.length > length ? characters.slice(0, length - 1).join("") + "…" : text;
}

function bytesOf(text) {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let place = 0; place < characters.length; place++) bytes[place] = characters.charCodeAt(place);
  return bytes;
}

/** Counts (C * C) of a confusion matrix, row by row. */
function unpackConfusion(text, size) {
  const bytes = bytesOf(text);
  const counts = new Float64Array(size * size);
  let place = 0;
  const next = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[place++];
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  for (let cell = -1; place < bytes.length; ) {
    cell += next();
    counts[cell] = next();
  }
  return counts;
}

/** Curve number `index` of packed precision-recall curves: 0 is macro, 1 micro, then the classes. */
function unpackCurve(text, index) {
  const view = new DataView(bytesOf(text).buffer);
  const curve = [];
  for (let step = 0; step < CURVE_RECALLS; step++) {
    const units = view.getUint16(2 * (index * CURVE_RECALLS + step), true);
    curve.push(units === NO_SHARE ? null : units / SHARE_UNITS);
  }
  return curve;
}

/** The last few results of an expensive function of one text, by a key. */
function remembered(compute, capacity) {
  const results = new Map();
  return (key, ...given) => {
    if (!results.has(key)) {
      if (results.size >= capacity) results.delete(results.keys().next().value);
      results.set(key, compute(...given));
    }
    return results.get(key);
  };
}

/** A colour of the style sheet, as it is now: light, dark or printed. */
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
}

/** A colour #rrggbb of the style sheet as numbers. */
function channels(name) {
  const text = colour(name);
  return [1, 3, 5].map((start) => parseInt(text.slice(start, start + 2), 16));
}

function fainter(name, opacity) {
  return `rgba(${channels(name).join(",")},${opacity})`;
}

function recipeNow() {
  return report.recipes[state.recipe];
}

/** Classes from the most to the least frequent in training, or by name. */
function classOrder(recipe, by) {
  const order = recipe.classes.map((_, index) => index);
  if (by === "name") {
    const compare = new Intl.Collator(undefined, { numeric: true }).compare;
    return order.sort((a, b) => compare(recipe.classes[a], recipe.classes[b]));
  }
  return by === "frequency" ? order.sort((a, b) => recipe.counts[b] - recipe.counts[a] || a - b) : order;
}

/** A data table; rows of texts or elements, numbers but for the heading of a row and what is of class name. */
function fillTable(table, heads, rows) {
  const kind = (text) => (text.className === "name" ? "" : "number");
  const cell = (text, index) =>
    index === 0 ? element("th", { scope: "row" }, text) : element("td", { class: kind(text) }, text);
  table.replaceChildren(
    element("thead", {}, element("tr", {}, ...heads.map((head, index) =>
      element("th", { scope: "col", class: index ? kind(head) : "" }, head)))),
    element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map(cell)))),
  );
}

// Which methods stand out in the figures, and how each of them looks: thirty colours could not be told apart.

const STYLES = [["circle", "●"], ["square", "■"], ["diamond", "◆"], ["triangle-up", "▲"], ["cross", "✚"], ["x", "✖"]];
const DASHES = ["solid", "dash", "dot", "dashdot"];
const FIRST_HIGHLIGHTED = 5;
const state = { recipe: 0, slots: new Map(), changed: [] };

function announceChange() {
  for (const listener of state.changed) listener();
}

/** The look of a method that stands out, or of a further line. */
function lookOf(slot) {
  const [symbol, glyph] = STYLES[slot % STYLES.length];
  const name = `series-${(slot % STYLES.length) + 1}`;
  return { name, colour: colour(name), symbol, glyph, dash: DASHES[Math.floor(slot / STYLES.length) % DASHES.length] };
}

function highlighted() {
  return recipeNow().methods.filter((method) => state.slots.has(method.name));
}

/** Methods that stand out last, so that they are drawn above the others. */
function inDrawingOrder(methods) {
  const behind = methods.filter((method) => !state.slots.has(method.name));
  return [...behind, ...methods.filter((method) => state.slots.has(method.name))];
}

function highlight(name) {
  const taken = new Set(state.slots.values());
  let slot = 0;
  while (taken.has(slot)) slot++;
  state.slots.set(name, slot);
}

function bestMethods() {
  const methods = recipeNow().methods;
  const score = (method) => (method.metrics.balanced_accuracy || [0])[0];
  const best = [...methods].sort((a, b) => score(b) - score(a)).slice(0, FIRST_HIGHLIGHTED);
  return [...new Set([methods[0], ...best])].map((method) => method.name);
}

function swatch(look) {
  const mark = element("span", { class: "swatch", "aria-hidden": "true" }, look.glyph);
  mark.style.setProperty("color", `var(--${look.name})`);
  mark.style.setProperty("border-top-style", { solid: "solid", dash: "dashed", dot: "dotted", dashdot: "double" }[look.dash]);
  return mark;
}

function drawChips() {
  const wanted = byId("method-filter").value.trim().toLowerCase();
  const methods = recipeNow().methods.filter((method) => method.name.toLowerCase().includes(wanted));
  const focused = document.activeElement?.dataset?.method;
  byId("chips").replaceChildren(...methods.map((method) => {
    const slot = state.slots.get(method.name);
    const chip = element("button", { type: "button", class: "chip", "aria-pressed": String(slot !== undefined), "data-method": method.name, on: { click: () => toggle(method.name) } });
    if (slot !== undefined) chip.append(swatch(lookOf(slot)));
    chip.append(method.name);
    return chip;
  }));
  const again = [...byId("chips").children].find((chip) => chip.dataset.method === focused);
  if (again) again.focus();
  const total = recipeNow().methods.length;
  byId("method-status").textContent = methods.length < total
    ? `${methods.length} of ${total} methods found` : `${highlighted().length} of ${total} methods stand out; the others are drawn in grey`;
}

function toggle(name) {
  if (state.slots.has(name)) state.slots.delete(name);
  else highlight(name);
  announceChange();
}

function highlightAlone(names) {
  state.slots.clear();
  names.forEach(highlight);
  announceChange();
}

function startMethods() {
  bestMethods().forEach(highlight);
  byId("methods").hidden = false;
  byId("method-filter").addEventListener("input", drawChips);
  byId("highlight-best").addEventListener("click", () => highlightAlone(bestMethods()));
  byId("highlight-none").addEventListener("click", () => highlightAlone([]));
  byId("figure-recipe")?.addEventListener("change", (event) => {
    state.recipe = Number(event.target.value);
    const names = recipeNow().methods.map((method) => method.name);
    for (const name of [...state.slots.keys()]) if (!names.includes(name)) state.slots.delete(name);
    if (!state.slots.size) bestMethods().forEach(highlight);
    for (const listener of state.recipeChanged) listener();
    announceChange();
  });
  state.changed.push(drawChips);
  drawChips();
}
state.recipeChanged = [];

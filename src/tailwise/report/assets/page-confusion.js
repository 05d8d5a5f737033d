// The confusion matrix on a canvas: whole, or any part of it; classes are drawn in blocks where there are too many.

const SMALLEST_CELL = 4;
const NAMED_CELL = 11;
const FEWEST_CLASSES = 5;
const SHOWN_PAIRS = 20;
const FONT = "system-ui, sans-serif";

function startConfusion() {
  const canvas = byId("matrix");
  const context = canvas.getContext("2d");
  const confusionOf = remembered(unpackConfusion, 3);
  // view: the classes shown, by their places in the order; cursor: the cell that is read out.
  const now = { method: null, order: [], by: "frequency", diagonal: true, view: { top: 0, left: 0, size: 1 }, cursor: { row: 0, column: 0 }, reading: false };
  let counts = null, totals = null, layout = null;

  function choose(name) {
    const recipe = recipeNow();
    const methods = recipe.methods.filter((method) => method.confusion);
    now.method = methods.find((method) => method.name === name) || methods[0] || null;
    if (!now.method) return;
    counts = confusionOf(`${state.recipe} ${now.method.name}`, now.method.confusion, recipe.classes.length);
    const size = recipe.classes.length;
    totals = Array.from({ length: size }, (_, row) => {
      let sum = 0;
      for (let column = 0; column < size; column++) sum += counts[row * size + column];
      return sum;
    });
  }

  function controls() {
    const recipe = recipeNow();
    const methods = recipe.methods.filter((method) => method.confusion).map((method) => method.name);
    if (!methods.length) {
      byId("confusion-controls").replaceChildren();
      return;
    }
    const jump = element("input", { type: "search", list: "class-names", placeholder: "part of a name", autocomplete: "off" });
    jump.addEventListener("change", () => find(jump.value));
    byId("confusion-controls").replaceChildren(
      choice("Method", methods, now.method.name, (name) => { choose(name); pairs(); draw(); read(); }),
      choice("Order", [["frequency", "most frequent first"], ["name", "by name"], ["number", "by number"]], now.by, (by) => { now.by = by; now.order = classOrder(recipe, by); whole(); }),
      element("label", {}, "Find class ", jump, element("datalist", { id: "class-names" }, ...recipe.classes.map((name) => element("option", { value: name })))),
      element("label", { class: "check" }, element("input", { type: "checkbox", checked: now.diagonal, on: { change: (event) => { now.diagonal = event.target.checked; draw(); } } }), " correct ones"),
      element("span", { class: "buttons" },
        element("button", { type: "button", "aria-label": "Zoom in", on: { click: () => zoom(0.5) } }, "+"),
        element("button", { type: "button", "aria-label": "Zoom out", on: { click: () => zoom(2) } }, "−"),
        element("button", { type: "button", on: { click: whole } }, "all")),
    );
  }

  function find(text) {
    const recipe = recipeNow();
    const wanted = text.trim().toLowerCase();
    if (!wanted) return;
    const names = recipe.classes.map((name) => name.toLowerCase());
    let found = names.indexOf(wanted);
    if (found < 0) found = names.findIndex((name) => name.includes(wanted));
    if (found < 0) { byId("matrix-status").textContent = `No class has ${text} in its name.`; return; }
    show(found, found);
  }

  /** Bring a cell of two classes into view, and read it. */
  function show(truth, predicted) {
    now.cursor = { row: now.order.indexOf(truth), column: now.order.indexOf(predicted) };
    const size = Math.min(now.order.length, 30);
    move(now.cursor.row - size / 2, now.cursor.column - size / 2, size);
    read();
  }

  function whole() {
    now.cursor = { row: Math.min(now.cursor.row, now.order.length - 1), column: Math.min(now.cursor.column, now.order.length - 1) };
    move(0, 0, now.order.length);
  }

  function move(top, left, size) {
    const all = now.order.length;
    const kept = Math.round(Math.min(all, Math.max(Math.min(FEWEST_CLASSES, all), size)));
    const inside = (start) => Math.round(Math.max(0, Math.min(all - kept, start)));
    now.view = { top: inside(top), left: inside(left), size: kept };
    // One finger scrolls the page past a whole matrix, and moves a part of one.
    canvas.style.touchAction = kept < all ? "none" : "pan-y";
    draw();
  }

  /** Show `factor` times as many classes, with the cursor or a given place kept where it is. */
  function zoom(factor, row = now.cursor.row, column = now.cursor.column) {
    const { top, left, size } = now.view;
    const wanted = Math.min(now.order.length, Math.max(FEWEST_CLASSES, size * factor));
    const scale = wanted / size;
    const within = (place, start) => Math.min(Math.max(place, start), start + size);
    move(row - (within(row, top) - top) * scale, column - (within(column, left) - left) * scale, wanted);
  }

  /** How many classes one square stands for, and where the squares are. */
  function measure() {
    const width = canvas.clientWidth;
    context.font = `12px ${FONT}`;
    const widest = recipeNow().classes.reduce((most, name) => Math.max(most, context.measureText(name).width), 0);
    const named = Math.min(150, Math.max(76, width * 0.25), Math.max(56, widest + 12));
    const below = Math.max(40, Math.min(named, widest + 12));
    const side = Math.max(120, Math.min(width - named - 6, 620));
    const block = Math.max(1, Math.ceil((now.view.size * SMALLEST_CELL) / side));
    const squares = Math.ceil(now.view.size / block);
    return { named, side, block, squares, cell: side / squares, x: named, y: 4, height: side + below + 8 };
  }

  /** Samples of the true classes of one block that were predicted to be of another, and how many there are in all. */
  function blockSum(rowStart, columnStart, block) {
    const all = now.order.length;
    let hits = 0, total = 0;
    for (let row = rowStart; row < Math.min(rowStart + block, all); row++) {
      const from = now.order[row] * all;
      total += totals[now.order[row]];
      for (let column = columnStart; column < Math.min(columnStart + block, all); column++) hits += counts[from + now.order[column]];
    }
    return { hits, total };
  }

  function draw() {
    if (!now.method) return;
    layout = measure();
    const { named, side, block, squares, cell, x, y, height } = layout;
    const density = window.devicePixelRatio || 1;
    canvas.style.height = `${height}px`;
    canvas.width = Math.round(canvas.clientWidth * density);
    canvas.height = Math.round(height * density);
    context.setTransform(density, 0, 0, density, 0, 0);
    context.clearRect(0, 0, canvas.clientWidth, height);
    const ground = channels("matrix-ground"), right = channels("matrix-right"), wrong = channels("matrix-wrong");
    context.fillStyle = `rgb(${ground})`;
    context.fillRect(x, y, side, side);
    const gap = cell > 8 ? 1 : 0;
    for (let i = 0; i < squares; i++) {
      const rowStart = now.view.top + i * block;
      for (let j = 0; j < squares; j++) {
        const columnStart = now.view.left + j * block;
        const { hits, total } = blockSum(rowStart, columnStart, block);
        if (!hits) continue;
        const own = rowStart === columnStart;
        if (own && !now.diagonal) continue;
        const strength = 0.08 + 0.92 * Math.sqrt(hits / total);
        const hue = own ? right : wrong;
        context.fillStyle = `rgb(${ground.map((value, channel) => Math.round(value + (hue[channel] - value) * strength))})`;
        context.fillRect(x + j * cell, y + i * cell, Math.max(1, cell - gap), Math.max(1, cell - gap));
        if (cell >= 34 && block === 1) {
          context.fillStyle = strength > 0.6 ? colour("matrix-on-strong") : colour("text");
          context.font = `${Math.min(13, cell / 3.2)}px ${FONT}`;
          context.textAlign = "center";
          context.textBaseline = "middle";
          context.fillText(hits / total < 0.005 ? "<1" : String(Math.round((100 * hits) / total)), x + (j + 0.5) * cell, y + (i + 0.5) * cell);
        }
      }
    }
    const each = block > 1 ? `; each square is ${block} by ${block} classes` : "";
    byId("matrix-scale").replaceChildren("0%", element("span", { class: "bar" }), "25%", element("span", { class: "bar more" }), `100% of the true class${each}`);
    names(named, cell, block, squares, x, y, side);
    outline(cell, block, x, y);
  }

  function names(named, cell, block, squares, x, y, side) {
    const recipe = recipeNow();
    const every = Math.max(1, Math.ceil(NAMED_CELL / cell));
    const size = Math.min(12, Math.max(9, cell * every * 0.75));
    context.font = `${size}px ${FONT}`;
    context.fillStyle = colour("quiet");
    context.textBaseline = "middle";
    const nameAt = (start) => fitting(recipe.classes[now.order[start]], named - 8);
    for (let i = 0; i < squares; i += every) {
      context.textAlign = "right";
      context.fillText(nameAt(now.view.top + i * block), x - 5, y + (i + 0.5) * cell);
      context.save();
      context.translate(x + (i + 0.5) * cell, y + side + 5);
      context.rotate(-Math.PI / 2);
      context.fillText(nameAt(now.view.left + i * block), 0, 0);
      context.restore();
    }
    context.font = `600 11px ${FONT}`;
    context.textAlign = "right";
    context.fillText("true ↑", x - 5, y + side + 12);
    context.fillText("predicted →", x - 5, y + side + 28, named - 6);
  }

  /** As much of a name as there is room for. */
  function fitting(name, room) {
    if (context.measureText(name).width <= room) return name;
    let length = name.length - 1;
    while (length > 1 && context.measureText(shortened(name, length)).width > room) length--;
    return shortened(name, length);
  }

  function outline(cell, block, x, y) {
    if (!now.reading) return;
    const row = Math.floor((now.cursor.row - now.view.top) / block), column = Math.floor((now.cursor.column - now.view.left) / block);
    const inside = (place) => place >= 0 && place < layout.squares;
    if (!inside(row) || !inside(column)) return;
    context.strokeStyle = colour("text");
    context.lineWidth = 2;
    context.strokeRect(x + column * cell, y + row * cell, Math.max(4, cell), Math.max(4, cell));
  }

  /** Say what the cursor is on. */
  function read() {
    if (!now.method) return;
    now.reading = true;
    const recipe = recipeNow();
    const { block } = layout || measure();
    const start = (place, from) => from + Math.floor((place - from) / block) * block;
    const rowStart = start(now.cursor.row, now.view.top), columnStart = start(now.cursor.column, now.view.left);
    const { hits, total } = blockSum(rowStart, columnStart, block);
    const said = (from) => {
      const last = Math.min(from + block, now.order.length) - 1;
      const first = recipe.classes[now.order[from]];
      return last > from ? `${last - from + 1} classes from ${first} to ${recipe.classes[now.order[last]]}` : first;
    };
    const share = total ? percent(hits / total, 1) : "no test sample";
    byId("matrix-status").textContent = `True ${said(rowStart)}, predicted ${said(columnStart)}: ${hits} of ${total} (${share})`;
    draw();
  }

  function place(event) {
    const box = canvas.getBoundingClientRect();
    const { x, y, cell, block, squares } = layout;
    const column = Math.floor((event.clientX - box.left - x) / cell), row = Math.floor((event.clientY - box.top - y) / cell);
    if (row < 0 || column < 0 || row >= squares || column >= squares) return null;
    const last = now.order.length - 1;
    return { row: Math.min(last, now.view.top + row * block), column: Math.min(last, now.view.left + column * block) };
  }

  function pairs() {
    const recipe = recipeNow();
    const size = recipe.classes.length;
    const found = [];
    for (let row = 0; row < size; row++) {
      for (let column = 0; column < size; column++) {
        const count = counts[row * size + column];
        if (count && row !== column) found.push({ row, column, count, share: count / totals[row] });
      }
    }
    found.sort((a, b) => b.share - a.share || b.count - a.count);
    const rows = found.slice(0, SHOWN_PAIRS).map(({ row, column, count, share }) => [
      recipe.classes[row], element("span", { class: "name" }, recipe.classes[column]), percent(share, 1), `${count} of ${totals[row]}`, String(recipe.counts[row]),
      element("button", { type: "button", "aria-label": `Show ${recipe.classes[row]} predicted as ${recipe.classes[column]}`, on: { click: () => { show(row, column); canvas.focus(); } } }, "show"),
    ]);
    fillTable(byId("pairs"), ["true class", element("span", { class: "name" }, "predicted as"), "share", "test samples", "trained on", "in the matrix"], rows);
  }

  function begin() {
    const recipe = recipeNow();
    choose(now.method?.name);
    now.order = classOrder(recipe, now.by);
    now.cursor = { row: 0, column: 0 };
    now.reading = false;
    controls();
    canvas.hidden = !now.method;
    byId("matrix-status").textContent = now.method ? "" : "No predictions of these runs can be read.";
    if (!now.method) { byId("pairs").replaceChildren(); return; }
    whole();
    pairs();
  }

  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !now.method) return;
    if (steps[event.key]) {
      const { block } = layout;
      const last = now.order.length - 1;
      const [down, along] = steps[event.key].map((step) => step * block * (event.shiftKey ? 10 : 1));
      const inside = (at) => Math.max(0, Math.min(last, at));
      if (now.reading) now.cursor = { row: inside(now.cursor.row + down), column: inside(now.cursor.column + along) };
      const { top, left, size } = now.view;
      const kept = (at, from) => (at < from ? at : at >= from + size ? at - size + 1 : from);
      move(kept(now.cursor.row, top), kept(now.cursor.column, left), size);
      read();
    } else if (event.key === "+" || event.key === "=") zoom(0.5);
    else if (event.key === "-") zoom(2);
    else if (event.key === "Home") whole();
    else return;
    event.preventDefault();
  });

  let held = null;
  canvas.addEventListener("pointerdown", (event) => {
    held = { x: event.clientX, y: event.clientY, view: { ...now.view } };
    if (now.view.size < now.order.length) canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (held && now.view.size < now.order.length) {
      const classes = (distance) => (distance / layout.side) * held.view.size;
      move(held.view.top - classes(event.clientY - held.y), held.view.left - classes(event.clientX - held.x), held.view.size);
    } else {
      const found = place(event);
      if (found && (!now.reading || found.row !== now.cursor.row || found.column !== now.cursor.column)) { now.cursor = found; read(); }
    }
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => { held = null; });
  canvas.addEventListener("click", (event) => { const found = place(event); if (found) { now.cursor = found; read(); } });
  canvas.addEventListener("dblclick", (event) => { const found = place(event); if (found) zoom(0.5, found.row, found.column); });
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && document.activeElement !== canvas) return; // until it is chosen, the wheel scrolls the page
    const found = place(event);
    if (!found) return;
    event.preventDefault();
    zoom(event.deltaY < 0 ? 0.8 : 1.25, found.row, found.column);
  }, { passive: false });
  new ResizeObserver(() => { if (layout) draw(); }).observe(canvas.parentElement);

  const lazy = lazily(byId("confusion"), begin);
  state.recipeChanged.push(() => { now.method = null; lazy.again(); });
  return { begin: lazy.begin, again: () => { if (layout) draw(); } };
}

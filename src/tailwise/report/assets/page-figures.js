// The figures that plotly draws: each when it comes near the window, and again when what it shows changes.

const NEAR = "500px";
const PHONE = 560;
const RECALL_STEPS = Array.from({ length: CURVE_RECALLS }, (_, step) => step / (CURVE_RECALLS - 1));
const GROUPS = [["accuracy_many", "many"], ["accuracy_medium", "medium"], ["accuracy_few", "few"]];
const SWEPT = [["balanced_accuracy", "balanced accuracy"], ["accuracy", "accuracy"], ...GROUPS];
const CORRECTIONS = [["logit-adjustment", "logit adjustment"], ["rebalance", "prediction re-balancing"]];
const ALL_BARS = 12;
const EACH_CLASS = 30;
const BANDS_OF_CLASSES = 12;

function loadPlotly() {
  if (window.Plotly) return;
  // Unread until it is wanted: the page answers before a megabyte is compiled.
  const script = element("script");
  script.textContent = byId("plotly-source").textContent;
  document.head.append(script);
}

function axis(title, more = {}) {
  return {
    title: { text: title, standoff: 8 }, gridcolor: colour("grid"), linecolor: colour("axis"), zeroline: false,
    tickcolor: colour("axis"), automargin: true, fixedrange: false, ...more,
  };
}

const shareAxis = (title, more = {}) => axis(title, { range: [-0.02, 1.02], tickformat: ".0%", ...more });

/** How a method's line is drawn: on top in a colour of its own, or thin and grey behind. */
function lineOf(method) {
  const slot = state.slots.get(method.name);
  if (slot === undefined) return { front: false, line: { color: colour("behind"), width: 1 }, marker: { color: colour("behind") } };
  const look = lookOf(slot);
  return {
    front: true, look,
    line: { color: look.colour, width: 2.2, dash: look.dash },
    marker: { color: look.colour, symbol: look.symbol, size: 7 },
  };
}

const spread = (std) => (std === null || std === undefined ? "" : ` ± ${(100 * std).toFixed(2)}`);

/** Means over classes of similar frequency: [counts, recalls], from rare to frequent. */
function smoothed(points) {
  if (points.length <= EACH_CLASS) return points.map(({ count, mean }) => [count, mean]);
  const size = points.length / BANDS_OF_CLASSES;
  return Array.from({ length: BANDS_OF_CLASSES }, (_, band) => {
    const members = points.slice(Math.round(band * size), Math.round((band + 1) * size));
    const average = (values) => values.reduce((sum, value) => sum + value, 0) / members.length;
    return [Math.exp(average(members.map(({ count }) => Math.log(count)))), average(members.map(({ mean }) => mean))];
  });
}

const figures = [
  {
    id: "frequency",
    draw(recipe) {
      const traces = [], rows = [];
      const order = classOrder(recipe, "frequency").reverse();
      for (const method of inDrawingOrder(recipe.methods)) {
        const look = lineOf(method);
        // A class without training samples has no place on a logarithmic axis but below all others.
        const points = order.filter((index) => method.recall.mean[index] !== null).map((index) => ({
          index, count: Math.max(recipe.counts[index], 0.5), mean: method.recall.mean[index], std: method.recall.std[index],
        }));
        const line = smoothed(points);
        const each = points.length <= EACH_CLASS;
        const said = ({ index, mean, std }) =>
          `${literal(method.name)}<br>${literal(recipe.classes[index])}: ${percent(mean)}${spread(std)}<br>${recipe.counts[index]} training samples`;
        if (look.front && !each) {
          traces.push({
            type: "scatter", mode: "markers", x: points.map((p) => p.count), y: points.map((p) => p.mean),
            marker: { ...look.marker, size: points.length > 200 ? 4 : 6, opacity: 0.4 }, text: points.map(said), hovertemplate: "%{text}<extra></extra>",
          });
        }
        traces.push({
          type: "scatter", mode: look.front && each ? "lines+markers" : "lines", x: line.map((p) => p[0]), y: line.map((p) => p[1]),
          line: { ...look.line, width: look.front && !each ? 3 : look.line.width }, marker: look.marker,
          text: each ? points.map(said) : line.map((p) => `${literal(method.name)}<br>classes of about ${p[0].toFixed(0)} samples: ${percent(p[1])}`),
          hovertemplate: "%{text}<extra></extra>",
        });
      }
      const chosen = highlighted();
      for (const index of [...order].reverse()) {
        rows.push([recipe.classes[index], String(recipe.counts[index]), ...chosen.map((m) => percent(m.recall.mean[index]) + spread(m.recall.std[index]))]);
      }
      const without = recipe.counts.some((count) => count === 0) ? " (classes without one at 0.5)" : "";
      return {
        traces, layout: { xaxis: axis(`training samples of the class${without}`, { type: "log", dtick: 1, minor: { showgrid: false } }), yaxis: shareAxis("recall") },
        heads: ["class", "training samples", ...chosen.map((m) => m.name)], rows,
      };
    },
  },
  {
    id: "groups",
    draw(recipe) {
      const groups = GROUPS.filter(([metric]) => recipe.methods.some((method) => method.metrics[metric]));
      const methods = recipe.methods.length <= ALL_BARS ? recipe.methods : highlighted();
      if (!groups.length) return { nothing: "No run has accuracies of these groups." };
      if (!methods.length) return { nothing: "Choose methods above to see their bars." };
      const traces = methods.map((method) => {
        const look = lineOf(method);
        const values = groups.map(([metric]) => method.metrics[metric] || [null, null]);
        return {
          type: "bar", x: groups.map(([, name]) => name), y: values.map(([mean]) => mean),
          error_y: { type: "data", array: values.map(([, std]) => std || 0), color: colour("text"), thickness: 1.2, width: 3 },
          marker: { color: look.front ? look.look.colour : colour("behind"), pattern: { shape: look.front ? ["", "/", "x", "."][Math.floor(state.slots.get(method.name) / STYLES.length) % 4] : "" } },
          text: values.map(([mean, std], place) => `${literal(method.name)}, ${groups[place][1]}: ${percent(mean)}${spread(std)}`),
          textposition: "none", hovertemplate: "%{text}<extra></extra>",
        };
      });
      return {
        traces, layout: { barmode: "group", bargap: 0.18, xaxis: axis(""), yaxis: shareAxis("mean recall", { range: [0, 1.02] }) },
        note: methods.length < recipe.methods.length ? "Bars of the methods that stand out." : "",
        heads: ["method", ...groups.map(([, name]) => name)],
        rows: methods.map((m) => [m.name, ...groups.map(([metric]) => percent(m.metrics[metric]?.[0]) + spread(m.metrics[metric]?.[1]))]),
      };
    },
  },
  {
    id: "reliability", square: true,
    legend: (method) => (method.metrics.ece ? `ECE ${percent(method.metrics.ece[0])}${spread(method.metrics.ece[1])}` : ""),
    draw(recipe) {
      const methods = inDrawingOrder(recipe.methods.filter((method) => method.reliability));
      const traces = [{ type: "scatter", mode: "lines", x: [0, 1], y: [0, 1], line: { color: colour("axis"), dash: "dot", width: 1.5 }, hoverinfo: "skip" }];
      for (const method of methods) {
        const look = lineOf(method);
        const { samples, confidence, accuracy } = method.reliability;
        const total = samples.reduce((sum, count) => sum + count, 0);
        const full = samples.map((count, bin) => bin).filter((bin) => samples[bin] > 0);
        traces.push({
          type: "scatter", mode: look.front ? "lines+markers" : "lines", x: full.map((bin) => confidence[bin]), y: full.map((bin) => accuracy[bin]),
          line: { ...look.line, width: look.front ? 1.6 : 1 }, marker: { ...look.marker, size: full.map((bin) => 5 + 15 * Math.sqrt(samples[bin] / total)), opacity: 0.85 },
          text: full.map((bin) => `${literal(method.name)}<br>confidence ${percent(confidence[bin], 1)}, right ${percent(accuracy[bin], 1)}<br>${samples[bin]} predictions`),
          hovertemplate: "%{text}<extra></extra>",
        });
      }
      const chosen = highlighted().filter((method) => method.reliability);
      const bins = Array.from({ length: 15 }, (_, bin) => bin);
      return {
        traces, layout: { xaxis: shareAxis("confidence"), yaxis: shareAxis("share that is right") },
        heads: ["confidence", ...chosen.flatMap((m) => [`${m.name}: predictions`, "right"])],
        rows: bins.map((bin) => [`${percent(bin / 15, 1)} to ${percent((bin + 1) / 15, 1)}`, ...chosen.flatMap((m) => [String(m.reliability.samples[bin]), percent(m.reliability.accuracy[bin], 1)])]),
      };
    },
  },
  {
    id: "precision", square: true, curve: 0,
    legend(method) { return method.averages ? `AP ${percent(method.averages[this.curve])}` : ""; },
    controls(recipe, redraw) {
      const classes = classOrder(recipe, "frequency").map((index) => [index + 2, `${recipe.classes[index]} (${recipe.counts[index]})`]);
      this.curve = 0;
      return [choice("Curve of", [[0, "macro: mean over the classes"], [1, "micro: all decisions"], ...classes], 0, (value) => { this.curve = Number(value); redraw(); })];
    },
    draw(recipe) {
      const methods = recipe.methods.filter((method) => method.precision);
      const curves = new Map(methods.map((method) => [method.name, unpackCurve(method.precision, this.curve)]));
      if ([...curves.values()].every((curve) => curve[0] === null)) return { nothing: "The test set has no sample of this class." };
      const traces = inDrawingOrder(methods).map((method) => {
        const look = lineOf(method);
        const curve = curves.get(method.name);
        return {
          type: "scatter", mode: "lines+markers", x: RECALL_STEPS, y: curve, line: look.line,
          marker: { ...look.marker, size: look.front ? 6 : 0.1, maxdisplayed: 9 },
          text: curve.map((value, step) => `${literal(method.name)}<br>recall ${percent(RECALL_STEPS[step], 1)}, precision ${percent(value, 1)}`),
          hovertemplate: "%{text}<extra></extra>",
        };
      });
      const chosen = highlighted().filter((method) => method.precision);
      return {
        traces, layout: { xaxis: shareAxis("recall"), yaxis: shareAxis("precision") },
        heads: ["recall", ...chosen.map((m) => m.name)],
        rows: RECALL_STEPS.map((recall, step) => [percent(recall, 1), ...chosen.map((m) => percent(curves.get(m.name)[step], 1))]),
      };
    },
  },
  {
    id: "learning", shown: "",
    controls(recipe, redraw) {
      const names = [...new Set(recipe.methods.flatMap((method) => Object.keys(method.training || {})))];
      if (!names.includes(this.shown)) this.shown = names[0] || "";
      const words = { "train/loss": "training loss", lr: "learning rate" };
      const said = (name) => words[name] || name.replace(/^test\//, "test ").replaceAll("_", " ");
      return names.length ? [choice("Value", names.map((name) => [name, said(name)]), this.shown, (value) => { this.shown = value; redraw(); })] : [];
    },
    draw(recipe) {
      const methods = recipe.methods.filter((method) => method.training?.[this.shown]);
      if (!methods.length) return { nothing: "No run recorded what happened on the way." };
      const share = this.shown.startsWith("test/") && this.shown !== "test/mcc" && this.shown !== "test/experts";
      const said = (value) => (share ? percent(value) : value.toPrecision(4));
      const epochsOf = (curve) => curve.epochs || curve.mean.map((_, place) => place + 1);
      const traces = inDrawingOrder(methods).flatMap((method) => {
        const look = lineOf(method);
        const curve = method.training[this.shown];
        const epochs = epochsOf(curve);
        const band = look.front && curve.std ? [1, -1].map((sign) => ({
          type: "scatter", mode: "lines", x: epochs, y: curve.mean.map((mean, place) => mean + sign * curve.std[place]),
          line: { width: 0 }, hoverinfo: "skip", ...(sign < 0 ? { fill: "tonexty", fillcolor: fainter(look.look.name, 0.16) } : {}),
        })) : [];
        return [...band, {
          type: "scatter", mode: look.front ? "lines+markers" : "lines", x: epochs, y: curve.mean, line: look.line, marker: { ...look.marker, size: 6, maxdisplayed: 8 },
          text: curve.mean.map((mean, place) => `${literal(method.name)}<br>epoch ${epochs[place]}: ${said(mean)}`), hovertemplate: "%{text}<extra></extra>",
        }];
      });
      const chosen = highlighted().filter((method) => methods.includes(method));
      const epochs = [...new Set(chosen.flatMap((m) => epochsOf(m.training[this.shown])))].sort((a, b) => a - b);
      const values = chosen.map((m) => new Map(epochsOf(m.training[this.shown]).map((epoch, place) => [epoch, m.training[this.shown].mean[place]])));
      const left = recipe.methods.filter((method) => method.corrects && state.slots.has(method.name)).map((method) => method.name);
      return {
        traces, methods, note: left.length ? `${left.join(", ")}: corrected after training, so without a curve.` : "",
        layout: { xaxis: axis("epoch"), yaxis: share ? axis("", { tickformat: ".0%" }) : axis("", this.shown === "train/loss" ? { rangemode: "tozero" } : {}) },
        heads: ["epoch", ...chosen.map((m) => m.name)],
        rows: epochs.map((epoch) => [String(epoch), ...values.map((of) => (of.has(epoch) ? said(of.get(epoch)) : "–"))]),
      };
    },
  },
  {
    id: "sweep", posthoc: "logit-adjustment", metric: "", method: "",
    controls(recipe, redraw) {
      const methods = recipe.methods.filter((method) => method.sweeps);
      if (!methods.length) return [];
      if (!methods.some((method) => method.name === this.method)) this.method = methods[0].name;
      const one = choice("Method", methods.map((m) => m.name), this.method, (value) => { this.method = value; redraw(); });
      one.hidden = this.metric !== "";
      return [
        choice("Correction", CORRECTIONS, this.posthoc, (value) => { this.posthoc = value; redraw(); }),
        choice("Show", [["", "the trade-off of one method"], ...SWEPT.map(([metric, name]) => [metric, `${name} of the methods that stand out`])], this.metric, (value) => { this.metric = value; one.hidden = value !== ""; redraw(); }),
        one,
      ];
    },
    draw(recipe) {
      const swept = recipe.methods.filter((method) => method.sweeps?.[this.posthoc]);
      if (!swept.length) return { nothing: "There is no sweep of this correction; see the last section." };
      let series;
      if (this.metric === "") {
        const method = swept.find((one) => one.name === this.method) || swept[0];
        series = SWEPT.filter(([metric]) => method.sweeps[this.posthoc][metric]).map(([metric, name], slot) => ({ name, values: method.sweeps[this.posthoc][metric], look: lookOf(slot) }));
        this.note = method.adjusted ? `${method.name} was trained with ${method.adjusted}, which corrects for the class frequencies already.` : "";
      } else {
        const chosen = swept.filter((method) => state.slots.has(method.name));
        series = chosen.filter((method) => method.sweeps[this.posthoc][this.metric]).map((method) => ({ name: method.name, values: method.sweeps[this.posthoc][this.metric], look: lookOf(state.slots.get(method.name)) }));
        const already = chosen.filter((method) => method.adjusted).map((method) => method.name);
        this.note = already.length ? `${already.join(", ")}: corrected in training already.` : "";
        if (!series.length) return { nothing: "Choose trained methods above to see their sweeps." };
      }
      const traces = series.map(({ name, values, look }) => ({
        type: "scatter", mode: "lines+markers", x: recipe.taus, y: values, line: { color: look.colour, width: 2.2, dash: look.dash },
        marker: { color: look.colour, symbol: look.symbol, size: 7, maxdisplayed: 12 },
        text: values.map((value, place) => `${literal(name)}<br>tau ${recipe.taus[place]}: ${percent(value)}`), hovertemplate: "%{text}<extra></extra>",
      }));
      return {
        traces, series, note: this.note, layout: { xaxis: axis("tau"), yaxis: axis("", { tickformat: ".0%" }) },
        heads: ["tau", ...series.map(({ name }) => name)],
        rows: recipe.taus.map((tau, place) => [String(tau), ...series.map(({ values }) => percent(values[place]))]),
      };
    },
  },
];

/** The methods or other series of a figure that stand out, with a word about each. */
function drawLegend(figure, drawn) {
  const entries = drawn.series
    ? drawn.series.map(({ name, look }) => [look, name, ""])
    : highlighted().filter((m) => !drawn.methods || drawn.methods.includes(m)).map((m) => [lookOf(state.slots.get(m.name)), m.name, figure.legend?.(m) || ""]);
  const items = entries.map(([look, name, word]) => element("li", {}, swatch(look), name, ...(word ? [element("span", { class: "word" }, word)] : [])));
  if (!drawn.series) items.push(element("li", {}, element("a", { href: "#methods" }, "choose methods")));
  if (drawn.note) items.push(element("li", { class: "note" }, drawn.note));
  byId(`${figure.id}-legend`).replaceChildren(...items);
}

function drawFigure(figure) {
  loadPlotly();
  const plot = byId(`${figure.id}-plot`);
  const drawn = figure.draw(recipeNow());
  figure.drawn = drawn;
  if (drawn.nothing) {
    if (plot.data) Plotly.purge(plot);
    plot.removeAttribute("role");
    plot.replaceChildren(element("p", { class: "nothing" }, drawn.nothing));
    byId(`${figure.id}-legend`).replaceChildren();
    byId(`${figure.id}-numbers`).replaceChildren();
    return;
  }
  if (!plot.data) plot.replaceChildren();
  const width = plot.clientWidth;
  const layout = {
    autosize: true, height: figure.square ? Math.min(520, Math.max(300, width * 0.8)) : width < PHONE ? 320 : 420,
    margin: { l: 12, r: 12, t: 8, b: 12 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false,
    font: { family: "system-ui, sans-serif", size: width < PHONE ? 11 : 13, color: colour("text") }, hovermode: "closest",
    hoverlabel: { bgcolor: colour("surface"), bordercolor: colour("axis"), font: { color: colour("text") }, align: "left" },
    dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom", ...drawn.layout,
  };
  Plotly.react(plot, drawn.traces, layout, { displayModeBar: false, responsive: true });
  const title = byId(`${figure.id}-title`).textContent;
  plot.setAttribute("role", "img");
  plot.setAttribute("aria-label", `${title}: ${drawn.traces.length} series; the numbers are in the table below`);
  drawLegend(figure, drawn);
  drawNumbers(figure);
}

function drawNumbers(figure) {
  const place = byId(`${figure.id}-numbers`);
  if (!place.closest("details").open || !figure.drawn || figure.drawn.nothing) return;
  const table = element("table", { class: "numbers" });
  fillTable(table, figure.drawn.heads, figure.drawn.rows);
  place.replaceChildren(table);
}

function drawControls(figure) {
  const controls = figure.controls?.(recipeNow(), () => drawFigure(figure)) || [];
  byId(`${figure.id}-controls`).replaceChildren(...controls);
}

/** Call `draw` when the section comes near the window, and from then on whenever it is asked to. */
function lazily(section, draw) {
  let begun = false;
  const begin = () => {
    if (!begun) { begun = true; draw(); }
  };
  new IntersectionObserver((entries, observer) => {
    if (entries.some((entry) => entry.isIntersecting)) { observer.disconnect(); begin(); }
  }, { rootMargin: NEAR }).observe(section);
  return { begin, again: () => { if (begun) draw(); } };
}

function startFigures() {
  return figures.map((figure) => {
    drawControls(figure);
    state.recipeChanged.push(() => drawControls(figure));
    byId(`${figure.id}-numbers`).closest("details").addEventListener("toggle", () => { lazy.begin(); drawNumbers(figure); });
    const lazy = lazily(byId(figure.id), () => drawFigure(figure));
    return lazy;
  });
}

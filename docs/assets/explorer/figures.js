// The four figures, by plotly.js, in the colours of the page.

const { Plotly } = window;

export const COLOURS = 10;
const NARROW = window.matchMedia("(max-width: 59.9em)");

export const isNarrow = () => NARROW.matches;
export const onWidthChange = (redraw) => NARROW.addEventListener("change", redraw);

// A colour for each loss: its own if it is free, so that most keep theirs when others come and go.
export function coloursOf(indices) {
  const taken = new Set();
  return indices.map((index) => {
    let slot = index % COLOURS;
    while (taken.has(slot)) slot = (slot + 1) % COLOURS;
    taken.add(slot);
    return slot;
  });
}

const property = (name) => getComputedStyle(document.getElementById("explorer")).getPropertyValue(name).trim();
const lineColour = (slot) => property(`--explorer-line-${slot}`);

function layout(more) {
  const line = { gridcolor: "rgba(128, 128, 128, 0.18)", zerolinecolor: "rgba(128, 128, 128, 0.7)", linecolor: "rgba(128, 128, 128, 0.5)" };
  const { xaxis, yaxis, ...others } = more;
  return {
    paper_bgcolor: "rgba(0, 0, 0, 0)",
    plot_bgcolor: "rgba(0, 0, 0, 0)",
    font: { color: property("--explorer-text"), family: getComputedStyle(document.body).fontFamily, size: 12 },
    margin: { l: 48, r: 12, t: 8, b: 40 },
    showlegend: false,
    dragmode: isNarrow() ? false : "zoom",
    hoverlabel: { namelength: -1, bgcolor: property("--explorer-paper"), font: { color: property("--explorer-text"), size: 12 } },
    xaxis: { ...line, zeroline: false, ticks: "outside", tickcolor: line.linecolor, ...xaxis },
    yaxis: { ...line, zeroline: true, automargin: true, ...yaxis },
    ...others,
  };
}

const draw = (plot, traces, more) => Plotly.react(plot, traces, layout(more), { displayModeBar: false, responsive: true });

// Curves: [{ title, slot, dashed, y }], later ones thinner, so that those that coincide show on both sides.
export function drawCurves(plot, x, curves, xTitle, place) {
  const traces = curves.map(({ title, slot, dashed, y }, i) => ({
    type: "scatter", mode: "lines", name: title, x, y,
    line: { color: lineColour(slot), dash: dashed ? "6px,4px" : "solid", width: 4.4 - (2.8 * i) / Math.max(curves.length - 1, 1) },
    hovertemplate: "%{y:.4f}",
  }));
  const marker = { type: "line", x0: place, x1: place, y0: 0, y1: 1, yref: "paper", line: { color: "rgba(128, 128, 128, 0.7)", width: 1, dash: "dot" } };
  draw(plot, traces, {
    shapes: [marker],
    hovermode: isNarrow() ? "closest" : "x unified",
    xaxis: { title: { text: xTitle, standoff: 6 }, range: [x[0] > 0 ? 0 : x[0], x[x.length - 1] < 1 ? 1 : x[x.length - 1]], hoverformat: ".3f" },
    yaxis: {},
  });
}

export function drawCounts(plot, counts, y, other) {
  const colour = (c) => (c === y ? property("--explorer-own") : c === other ? property("--explorer-other") : "rgba(128, 128, 128, 0.45)");
  const role = (c) => (c === y ? ", the sample’s class" : c === other ? ", the watched class" : "");
  const bars = {
    type: "bar", x: counts.map((_, c) => c), y: counts,
    marker: { color: counts.map((_, c) => colour(c)) },
    text: counts.map((_, c) => role(c)),
    textposition: "none",
    hovertemplate: "class %{x}%{text}<br>%{y:,} samples<extra></extra>",
  };
  draw(plot, [bars], {
    bargap: counts.length > 60 ? 0 : 0.2,
    xaxis: { title: { text: "class", standoff: 6 }, ...(counts.length <= 20 ? { dtick: 1 } : {}) },
    yaxis: { rangemode: "tozero" },
  });
}

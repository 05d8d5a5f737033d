// Start the page: what can be used at once first, the figures when they are looked for.

startTable();
startCopying();
startMethods();
const drawings = [...startFigures(), startConfusion()];
const redraw = () => drawings.forEach((drawing) => drawing.again());
state.changed.push(redraw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

// Paper shows every figure, in the colours for paper.
addEventListener("beforeprint", () => {
  document.documentElement.classList.add("paper");
  drawings.forEach((drawing) => drawing.begin());
  redraw();
});
addEventListener("afterprint", () => {
  document.documentElement.classList.remove("paper");
  redraw();
});
document.documentElement.dataset.ready = "true";
// Whoever reads the table first does not wait for the first figure afterwards.
window.requestIdleCallback?.(loadPlotly);

// The loss explorer: what one sees follows from one view, and every control changes that view.

import { controlOf, element } from "./controls.js";
import { AXES, curve, sharesOfRest } from "./curves.js";
import { coloursOf, drawCounts, drawCurves, isNarrow, onWidthChange } from "./figures.js";
import { findLoss, GROUPS, LOSSES } from "./losses.js";
import { PRESETS } from "./presets.js";
import { pythonLines } from "./python.js";
import { number, settled, whole } from "./settings.js";
import {
  countsOf, headOf, initialView, linkText, MOST_CLASSES, MOST_LOSSES, otherClass, parseCounts, parseLink, profileRefusal, sampleClass,
} from "./view.js";

const at = (id) => document.getElementById(`explorer-${id}`);
const page = document.getElementById("explorer");
const MOST_KEPT = 500;

let view = initialView();
let figure = "loss"; // the one that a narrow screen shows
const places = { p: 0.6, margin: 2 }; // where on each axis the table is read off
let known = new Map();
const cards = new Map();

// Only what has changed is computed anew: a slider moves one loss of several.
function curveOf(loss, given, counts, sample) {
  const { grid: _, ...where } = sample;
  const key = JSON.stringify([loss.name, settled(loss, given, counts), counts, where]);
  if (known.size > MOST_KEPT) known = new Map();
  if (!known.has(key)) known.set(key, curve(loss, given, counts, sample));
  return known.get(key);
}

// What is drawn: for the sample's class and, dashed, for the most frequent one, each loss' three curves.
function computed() {
  const counts = countsOf(view.profile);
  const classes = [sampleClass(view, counts)];
  const head = headOf(counts);
  if (view.dashed === "yes" && head !== classes[0]) classes.push(head);
  const { grid } = AXES[view.axis];
  const samples = classes.map((y) => {
    const other = otherClass(view, counts, y);
    return { y, other, shares: sharesOfRest(view.rest, counts, y, other, view.rival), axis: view.axis, grid };
  });
  const losses = view.losses.map(findLoss);
  const slots = coloursOf(losses.map((loss) => LOSSES.indexOf(loss)));
  const drawn = losses.map((loss, i) => ({
    loss,
    slot: slots[i],
    curves: samples.map((sample) => curveOf(loss, view.given[loss.name] ?? {}, counts, sample)),
  }));
  const nearest = Math.round(((places[view.axis] - grid[0]) / (grid[grid.length - 1] - grid[0])) * (grid.length - 1));
  const place = Math.min(Math.max(nearest, 0), grid.length - 1);
  return { counts, samples, grid, place, drawn };
}

function draw({ counts, samples, grid, place, drawn }) {
  const [{ y, other }] = samples;
  const { title, short } = AXES[view.axis];
  for (const box of page.querySelectorAll("figure")) {
    const key = box.dataset.figure;
    const plot = box.querySelector(".explorer-plot");
    box.classList.toggle("explorer-away", isNarrow() && key !== figure);
    if (isNarrow() && key !== figure) continue;
    if (key === "counts") {
      drawCounts(plot, counts, y, other);
      continue;
    }
    const curves = drawn.flatMap(({ loss, slot, curves: of }) =>
      of.map((each, i) => ({
        title: samples.length > 1 ? `${loss.title}, class ${samples[i].y}` : loss.title, slot, dashed: i > 0, y: each[key],
      })),
    );
    drawCurves(plot, grid, curves, isNarrow() ? short : title, grid[place]);
  }
  for (const button of page.querySelectorAll(".explorer-tabs button")) {
    button.setAttribute("aria-pressed", String(button.dataset.figure === figure));
  }
}

const samplesOf = (counts, c) => `class ${c} (${counts[c].toLocaleString("en")} samples)`;
const line = (slot, dashed) =>
  element("span", { className: dashed ? "explorer-line explorer-line-dashed" : "explorer-line", style: `--line: var(--explorer-line-${slot})` });

function describe({ counts, samples, grid, place, drawn }) {
  const [own, head] = samples;
  at("legend").replaceChildren(...drawn.map(({ loss, slot }) => element("li", {}, line(slot, false), loss.title)));
  at("drawn").textContent =
    `Solid: a sample of ${samplesOf(counts, own.y)}.` + (head ? ` Dashed: of ${samplesOf(counts, head.y)}.` : "");
  const watched = samples.map(({ other }, i) => [i > 0 ? ", dashed ∂L/∂z" : "∂L/∂z", element("sub", { textContent: other })]);
  const differ = head && head.other !== own.other;
  at("watched").replaceChildren(...watched[0], ...(differ ? watched[1] : []));
  const columns = ["loss", "class", "L", "pull", "push"];
  const rows = drawn.flatMap(({ loss, slot, curves }) =>
    curves.map((of, i) => {
      const cells = [String(samples[i].y), ...["loss", "own", "other"].map((key) => of[key][place].toPrecision(5))];
      const name = element("th", { scope: "row" }, line(slot, i > 0), loss.title);
      return element("tr", {}, name, ...cells.map((textContent) => element("td", { textContent })));
    }),
  );
  const caption = `At ${view.axis === "p" ? "p_y" : "a logit margin of"} ${grid[place].toFixed(3)}`;
  at("table").replaceChildren(
    element("caption", { textContent: caption }),
    element("thead", {}, element("tr", {}, ...columns.map((textContent) => element("th", { scope: "col", textContent })))),
    element("tbody", {}, ...rows),
  );
  const notes = drawn
    .filter(({ loss }) => loss.note)
    .map(({ loss }) => `${loss.title}: ${loss.note(settled(loss, view.given[loss.name] ?? {}, counts))}.`);
  at("notes").replaceChildren(...notes.map((textContent) => element("li", { textContent })));
  const chosen = drawn.map(({ loss }) => [loss, view.given[loss.name] ?? {}]);
  at("python").textContent = chosen.length ? pythonLines(chosen, view.profile, counts) : "";
}

function sync({ counts, samples: [{ y, other }] }) {
  for (const button of page.querySelectorAll("[data-sample]")) {
    button.setAttribute("aria-pressed", String(sampleClass({ sample: button.dataset.sample }, counts) === y));
  }
  sampleControl.limit(counts.length - 1);
  sampleControl.sync(y);
  at("dashed").checked = view.dashed === "yes";
  at("axis").value = view.axis;
  at("rest").value = view.rest;
  rivalControl.sync(view.rival, view.rest === "rival" && counts.length > 2);
  const named = ["frequent", "rare", ...counts.map((_, c) => String(c))];
  if (at("other").length !== named.length) {
    const words = { frequent: "of the most frequent other class", rare: "of the rarest other class" };
    at("other").replaceChildren(...named.map((value) => element("option", { value, textContent: words[value] ?? `of class ${value}` })));
  }
  at("other").value = typeof view.other === "string" ? view.other : String(other);
  for (const radio of page.querySelectorAll("[name=explorer-profile]")) radio.checked = radio.value === view.profile.kind;
  at("profile").hidden = view.profile.kind === "list";
  at("list").hidden = view.profile.kind !== "list";
  profileControls.forEach((control, key) => control.sync(view.profile[key] ?? initialView().profile[key]));
  if (document.activeElement !== at("counts")) {
    at("counts").value = counts.join(", ");
    refuseCounts(null);
  }
  for (const box of page.querySelectorAll("#explorer-losses input")) {
    box.checked = view.losses.includes(box.value);
    box.disabled = !box.checked && view.losses.length >= MOST_LOSSES;
  }
  for (const link of page.querySelectorAll("#explorer-presets a")) {
    if (link.getAttribute("href") === `#${linkText(view)}`) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  placeControls.forEach((control, axis) => control.sync(places[axis], axis === view.axis));
}

function syncCards({ counts, drawn }) {
  const shown = drawn.map(({ loss, slot }) => {
    const card = cards.get(loss.name) ?? cardOf(loss);
    cards.set(loss.name, card);
    card.swatch.replaceChildren(line(slot, false));
    card.again.hidden = !view.given[loss.name];
    const values = settled(loss, view.given[loss.name] ?? {}, counts);
    loss.settings.forEach((setting, i) => card.controls[i].sync(values[setting.key], setting.onlyIf?.(values, counts) ?? true));
    return card.root;
  });
  // Moving the elements would take the focus from the slider in use.
  const now = [...at("settings").children];
  if (now.length !== shown.length || now.some((root, i) => root !== shown[i])) at("settings").replaceChildren(...shown);
}

function cardOf(loss) {
  const controls = loss.settings.map((setting) =>
    controlOf(setting, `explorer-${loss.name}-${setting.key}`, (value) => {
      view.given[loss.name] = { ...view.given[loss.name], [setting.key]: value };
      show();
    }),
  );
  const swatch = element("span");
  const again = element("button", {
    type: "button", textContent: "defaults", "aria-label": `Defaults of ${loss.title}`,
    onclick: () => {
      delete view.given[loss.name];
      show();
    },
  });
  const legend = element("legend", {}, swatch, loss.title);
  const root = element("fieldset", { id: `explorer-of-${loss.name}` }, legend, ...controls.map((control) => control.root), again);
  return { root, controls, swatch, again };
}

let waiting = false;

// At most once a frame, however fast a slider moves.
function show() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    const now = computed();
    sync(now);
    syncCards(now);
    describe(now);
    draw(now);
    const link = linkText(view);
    const address = link ? `#${link}` : location.pathname + location.search;
    if (location.hash.slice(1) !== link) history.replaceState(null, "", address);
    page.dataset.shown = link;
  });
}

function change(part) {
  Object.assign(view, part);
  show();
}

function openLink() {
  const { view: asked, refused } = parseLink(location.hash.slice(1));
  view = asked;
  at("refused").hidden = refused.length === 0;
  at("refused").textContent = `Of the link this cannot be shown: ${refused.join("; ")}.`;
  show();
}

function refuseCounts(why) {
  at("counts").setAttribute("aria-invalid", String(why !== null));
  at("counts-refused").hidden = why === null;
  at("counts-refused").textContent = why ?? "";
}

function takeProfile(profile) {
  const why = profileRefusal(profile);
  refuseCounts(why);
  if (why === null) change({ profile });
}

async function copy(text, button) {
  const was = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Could not copy: select it instead";
  }
  setTimeout(() => (button.textContent = was), 2000);
}

const sampleControl = controlOf(
  whole("y", 0, "its class", { slider: [0, 9, 1], atLeast: 0, atMost: MOST_CLASSES - 1, plain: true }), "explorer-y",
  (sample) => change({ sample }),
);
const rivalControl = controlOf(
  number("share", 0.9, "share of the rest that the watched class has", { slider: [0.01, 0.99, 0.01], above: 0, below: 1, plain: true }), "explorer-share",
  (rival) => change({ rival }),
);
const placeControls = new Map(
  Object.entries(AXES).map(([axis, { grid }]) => {
    const [least, most] = [grid[0], grid[grid.length - 1]];
    const range = { slider: [least, most, Number((grid[1] - least).toPrecision(3))], atLeast: least, atMost: most, plain: true };
    const setting = number("place", places[axis], axis === "p" ? "Read off at p_y" : "Read off at the logit margin", range);
    const move = (to) => {
      places[axis] = to;
      show();
    };
    return [axis, controlOf(setting, `explorer-at-${axis}`, move)];
  }),
);
const profileControls = new Map(
  [
    whole("classes", 10, "classes", { slider: [2, 200, 1], plain: true }),
    whole("most", 1000, "samples of the most frequent", { slider: [1, 5, 0.01], logarithmic: true, plain: true }),
    number("factor", 20, "imbalance factor: most / fewest", { slider: [0, 4, 0.01], logarithmic: true, plain: true }),
  ].map((setting) => [
    setting.key,
    controlOf(setting, `explorer-${setting.key}`, (value) => takeProfile({ ...initialView().profile, ...view.profile, [setting.key]: value })),
  ]),
);

function build() {
  at("sample").append(sampleControl.root);
  at("rival").append(rivalControl.root);
  at("place").append(...[...placeControls.values()].map((control) => control.root));
  at("profile").append(...[...profileControls.values()].map((control) => control.root));
  at("presets").append(...PRESETS.map(({ title, link }) => element("li", {}, element("a", { href: `#${link}`, textContent: title }))));
  at("losses").append(
    ...GROUPS.map((group) => {
      const boxes = LOSSES.filter((loss) => loss.group === group).map((loss) => {
        const box = element("input", {
          type: "checkbox", value: loss.name,
          onchange: () => {
            const chosen = new Set(view.losses);
            if (box.checked) chosen.add(loss.name);
            else chosen.delete(loss.name);
            change({ losses: [...chosen] });
          },
        });
        return element("label", {}, box, " ", loss.title);
      });
      return element("div", { role: "group", "aria-label": group, className: "explorer-group" }, element("b", { textContent: group }), ...boxes);
    }),
  );
}

function listen() {
  for (const button of page.querySelectorAll("[data-sample]")) button.onclick = () => change({ sample: button.dataset.sample });
  for (const button of page.querySelectorAll(".explorer-tabs button")) {
    button.onclick = () => {
      figure = button.dataset.figure;
      show();
    };
  }
  at("dashed").onchange = (event) => change({ dashed: event.target.checked ? "yes" : "no" });
  at("axis").onchange = (event) => change({ axis: event.target.value });
  at("rest").onchange = (event) => change({ rest: event.target.value });
  at("other").onchange = (event) => change({ other: Number.isNaN(Number(event.target.value)) ? event.target.value : Number(event.target.value) });
  for (const radio of page.querySelectorAll("[name=explorer-profile]")) {
    radio.onchange = () => change({ profile: radio.value === "list" ? { kind: "list", counts: countsOf(view.profile) } : initialView().profile });
  }
  at("counts").oninput = (event) => takeProfile({ kind: "list", counts: parseCounts(event.target.value) });
  at("reset").onclick = () => {
    history.replaceState(null, "", location.pathname + location.search);
    openLink();
  };
  at("link").onclick = (event) => copy(location.href, event.target);
  at("copy").onclick = (event) => copy(at("python").textContent, event.target);
  window.addEventListener("hashchange", openLink);
  onWidthChange(show);
  new MutationObserver(show).observe(document.body, { attributes: true, attributeFilter: ["data-md-color-scheme"] });
}

build();
listen();
page.hidden = false;
openLink();

// The controls of the page: plain form elements, made and kept in step with a value.

import { refusal } from "./settings.js";

// An element with properties, attributes (data-..., aria-...) and children.
export function element(tag, given = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(given)) {
    if (key.includes("-") || key === "for" || key === "role") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children);
  return made;
}

const shown = (value) => String(Number(value.toPrecision(6)));
const code = (key) => element("code", { textContent: key });
const says = (text) => element("span", { className: "explorer-says", textContent: text });
const named = ({ key, says: text, plain }) => (plain ? [text] : [code(key), " ", says(text)]);

// Each control is { root, sync(value, enabled) } and calls `changed` with a value that can be taken.
export function controlOf(setting, id, changed) {
  if (setting.kind === "flag") return flagControl(setting, id, changed);
  if (setting.kind === "choice") return choiceControl(setting, id, changed);
  return numberControl(setting, id, changed);
}

function flagControl(setting, id, changed) {
  const box = element("input", { type: "checkbox", id, onchange: () => changed(box.checked) });
  const root = element("div", { className: "explorer-setting" }, element("label", {}, box, " ", ...named(setting)));
  return { root, sync: (value) => (box.checked = value) };
}

function choiceControl(setting, id, changed) {
  const options = setting.choices.map((choice, i) => element("option", { value: String(i), textContent: choice ?? "None" }));
  const select = element("select", { id, onchange: () => changed(setting.choices[Number(select.value)]) }, ...options);
  const label = element("label", { for: id }, ...named(setting));
  const root = element("div", { className: "explorer-setting" }, label, select);
  return { root, sync: (value) => (select.value = String(setting.choices.indexOf(value))) };
}

// A slider for what is usual and a field for any number that is allowed, tied to each other.
function numberControl(setting, id, changed) {
  const [least, most, step] = setting.slider;
  const onSlider = (value) => (setting.logarithmic ? Math.log10(value) : value);
  function ofSlider(text) {
    const value = setting.logarithmic ? Number((10 ** Number(text)).toPrecision(3)) : Number(Number(text).toPrecision(12));
    return setting.whole ? Math.round(value) : value;
  }
  const wrong = element("span", { className: "explorer-refused", id: `${id}-refused`, role: "alert", hidden: true });
  const take = (value) => {
    const why = refusal(setting, value);
    field.setAttribute("aria-invalid", String(why !== null));
    wrong.hidden = why === null;
    wrong.textContent = why ?? "";
    if (why === null) changed(value);
  };
  const label = element("label", { for: id }, ...named(setting));
  const slider = element("input", {
    type: "range", min: least, max: most, step, "aria-label": setting.plain ? setting.says : `${setting.key}, ${setting.says}`,
    oninput: () => {
      const value = ofSlider(slider.value);
      field.value = shown(value);
      take(value);
    },
  });
  const field = element("input", {
    type: "number", id, step: "any", placeholder: "None", "aria-describedby": `${id}-refused`,
    oninput: () => take(field.value === "" ? NaN : Number(field.value)),
  });
  const box = element("input", {
    type: "checkbox", "aria-label": `${setting.key}: give a number`,
    onchange: () => changed(box.checked ? setting.start : null),
  });
  const root = element("div", { className: "explorer-setting" }, label);
  root.append(element("div", { className: "explorer-number" }, ...(setting.optional && !setting.needed ? [box] : []), slider, field), wrong);
  function sync(value, enabled = true) {
    const none = value === null;
    root.hidden = !enabled;
    box.checked = !none;
    slider.disabled = field.disabled = none;
    // What is being typed stays as it is typed.
    if (document.activeElement !== field || none) {
      field.value = none ? "" : shown(value);
      field.setAttribute("aria-invalid", "false");
      wrong.hidden = true;
    }
    slider.value = onSlider(value ?? setting.start);
    slider.setAttribute("aria-valuetext", none ? "none" : shown(value));
  }
  return { root, sync, limit: (top) => (slider.max = top) };
}

// What the page shows, as one object; the text of a link that shows it again; the class counts that follow from it.

import { findLoss, mostFrequent } from "./losses.js";
import { asText, fromText, refusal } from "./settings.js";

export const MOST_LOSSES = 10;
export const MOST_CLASSES = 1000;
const MOST_SAMPLES = 1e9;

const CHOICES = { rest: ["equal", "counts", "rival"], axis: ["p", "margin"], dashed: ["yes", "no"] };

// sample: "head", "medium", "tail" or a class; other: "frequent", "rare" or a class; given: loss -> key -> value.
export const initialView = () => ({
  losses: ["cross_entropy", "focal", "balanced_softmax", "gppe", "sgpl"],
  given: {},
  profile: { kind: "exponential", classes: 10, most: 1000, factor: 20 },
  sample: "tail",
  dashed: "yes",
  other: "frequent",
  rest: "equal",
  rival: 0.9,
  axis: "p",
});

const isWhole = (value, least, most) => Number.isInteger(value) && value >= least && value <= most;

export function profileRefusal(profile) {
  if (profile.kind === "list") {
    if (!isWhole(profile.counts.length, 2, MOST_CLASSES)) return `give from 2 to ${MOST_CLASSES} class counts`;
    return profile.counts.every((count) => isWhole(count, 1, MOST_SAMPLES)) ? null : "class counts must be whole numbers from 1 up";
  }
  const { classes, most, factor } = profile;
  if (!isWhole(classes, 2, MOST_CLASSES)) return `the classes must be a whole number from 2 to ${MOST_CLASSES}`;
  if (!isWhole(most, 1, MOST_SAMPLES)) return "samples of the most frequent class must be a whole number from 1 up";
  return factor >= 1 && factor <= most ? null : `the imbalance factor must be from 1 to ${most}, so that the rarest class keeps a sample`;
}

// As tailwise.data.profiles.exponential_counts.
export function countsOf(profile) {
  if (profile.kind === "list") return profile.counts;
  const { classes, most, factor } = profile;
  const exact = Array.from({ length: classes }, (_, c) => most * factor ** (-c / (classes - 1)));
  return exact.map((count) => Math.floor(count * (1 + 1e-12)));
}

export function headOf(counts) {
  return counts.indexOf(Math.max(...counts));
}

export function sampleClass(view, counts) {
  if (view.sample === "head") return headOf(counts);
  if (view.sample === "medium") return mostFrequent(counts, counts.length)[Math.floor(counts.length / 2)];
  if (view.sample === "tail") return counts.indexOf(Math.min(...counts));
  return Math.min(view.sample, counts.length - 1);
}

// The class whose logit is watched, beside that of a sample of class y.
export function otherClass(view, counts, y) {
  const order = mostFrequent(counts, counts.length).filter((c) => c !== y);
  if (view.other === "rare") return order[order.length - 1];
  return order.includes(view.other) ? view.other : order[0];
}

export function linkText(view) {
  const initial = initialView();
  const parts = [];
  const add = (key, value) => parts.push(`${key}=${encodeURIComponent(value).replaceAll("%2C", ",")}`);
  if (view.losses.join() !== initial.losses.join()) add("losses", view.losses.join());
  if (view.profile.kind === "list") add("counts", view.profile.counts.join());
  else {
    for (const key of ["classes", "most", "factor"]) {
      if (view.profile[key] !== initial.profile[key]) add(key, view.profile[key]);
    }
  }
  for (const key of ["sample", "dashed", "other", "rest", "rival", "axis"]) {
    if (view[key] !== initial[key]) add(key, view[key]);
  }
  for (const name of view.losses) {
    const { settings } = findLoss(name);
    for (const setting of settings) {
      const value = view.given[name]?.[setting.key];
      if (value !== undefined && value !== setting.initial) add(`${name}.${setting.key}`, asText(value));
    }
  }
  return parts.join("&");
}

const numbers = (text) => text.split(/[\s,;]+/).filter(Boolean).map(Number);

export const parseCounts = numbers;

// The view of a link's text, and what of it cannot be shown, in words.
export function parseLink(text) {
  const view = initialView();
  const refused = [];
  const take = (key, value, allowed) => (allowed ? (view[key] = value) : refused.push(`${key}=${value}`));
  const classWord = (value, words) => (words.includes(value) ? value : Number(value || NaN));
  const profile = { ...view.profile };
  for (const [key, value] of new URLSearchParams(text)) {
    const [name, argument] = key.split(".");
    if (key === "losses") {
      const names = [...new Set(value.split(",").filter(Boolean))];
      take(key, names, names.length <= MOST_LOSSES && names.every(findLoss));
    } else if (key === "counts") {
      Object.assign(profile, { kind: "list", counts: numbers(value) });
    } else if (["classes", "most", "factor"].includes(key)) {
      profile[key] = Number(value || NaN);
    } else if (key === "sample") {
      const of = classWord(value, ["head", "medium", "tail"]);
      take(key, of, typeof of === "string" || isWhole(of, 0, MOST_CLASSES - 1));
    } else if (key === "other") {
      const of = classWord(value, ["frequent", "rare"]);
      take(key, of, typeof of === "string" || isWhole(of, 0, MOST_CLASSES - 1));
    } else if (key === "rival") {
      take(key, Number(value), Number(value) > 0 && Number(value) < 1);
    } else if (Object.hasOwn(CHOICES, key)) {
      take(key, value, CHOICES[key].includes(value));
    } else {
      const setting = findLoss(name)?.settings.find((each) => each.key === argument);
      const parsed = setting && fromText(setting, value);
      if (setting && refusal(setting, parsed) === null) (view.given[name] ??= {})[argument] = parsed;
      else refused.push(`${key}=${value}`);
    }
  }
  const wrong = profileRefusal(profile);
  if (wrong === null) view.profile = profile;
  else refused.push(wrong);
  return { view, refused };
}

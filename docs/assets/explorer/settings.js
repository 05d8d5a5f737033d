// What a loss can be set to: each argument of its Python class, its default, its range and how it is written in Python.

// A number. `slider` is [least, most, step] of what is usual, or with `logarithmic` those of its decimal logarithm;
// atLeast, above, atMost and below are what the Python class allows; `says` is what it does, in a few words.
export const number = (key, initial, says, range) => ({ key, kind: "number", initial, says, ...range });

export const whole = (key, initial, says, range) => ({ key, kind: "number", whole: true, initial, says, ...range });

// A number or None; `start` is what it is when it is first switched on.
export const optional = (key, start, says, range) => ({ key, kind: "number", optional: true, initial: null, start, says, ...range });

export const flag = (key, initial, says, more) => ({ key, kind: "flag", initial, says, ...more });

export const choice = (key, initial, choices, says, more) => ({ key, kind: "choice", initial, choices, says, ...more });

// Why a value cannot be taken, in the words of the Python library; null where it can.
export function refusal(setting, value) {
  const { key, kind } = setting;
  if (value === null && setting.optional) return null;
  if (kind === "flag") return typeof value === "boolean" ? null : `${key} must be true or false`;
  if (kind === "choice") return setting.choices.includes(value) ? null : `${key} must be one of ${setting.choices.join(", ")}`;
  if (typeof value !== "number" || !Number.isFinite(value)) return `${key} must be a finite number`;
  if (setting.whole && !Number.isInteger(value)) return `${key} must be a whole number`;
  if (value < setting.atLeast) return `${key} must be at least ${setting.atLeast}`;
  if (value > setting.atMost) return `${key} must be at most ${setting.atMost}`;
  if (value <= setting.above) return `${key} must be above ${setting.above}`;
  if (value >= setting.below) return `${key} must be below ${setting.below}`;
  return null;
}

// A value as text and back, for links.
export function asText(value) {
  return value === null ? "none" : String(value);
}

export function fromText(setting, text) {
  if (setting.kind === "choice") return text === "none" ? null : text;
  if (setting.kind === "flag") return { true: true, false: false }[text] ?? text;
  if (text === "none") return null;
  return text.trim() === "" ? NaN : Number(text);
}

// All settings of a loss by their key, those that are not given at their default.
export function settled(loss, given, counts) {
  const values = Object.fromEntries(loss.settings.map((setting) => [setting.key, given[setting.key] ?? setting.initial]));
  for (const setting of loss.settings) {
    if (setting.onlyIf && !setting.onlyIf(values, counts)) values[setting.key] = setting.initial;
    else if (setting.needed && values[setting.key] === null) values[setting.key] = setting.start;
    if (setting.upTo) values[setting.key] = Math.min(values[setting.key], setting.upTo(values));
  }
  return values;
}

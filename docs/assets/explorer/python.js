// The Python lines that make the losses of a view, with the settings that differ from the defaults.

import { settled } from "./settings.js";

const WIDTH = 88;

function literal(value) {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}

function written(setting, value, counts) {
  return setting.python && value !== null ? setting.python(value, counts) : literal(value);
}

export function constructorCall(loss, given, counts) {
  const values = settled(loss, given, counts);
  const changed = loss.settings.filter(
    (setting) => !setting.told && !setting.assumed && (setting.required || values[setting.key] !== setting.initial),
  );
  const own = changed.map((setting) => `${setting.key}=${written(setting, values[setting.key], counts)}`);
  return `${loss.cls}(${[...(loss.takesCounts ? ["class_counts=class_counts"] : []), ...own].join(", ")})`;
}

export function countsLine(profile, counts) {
  if (profile.kind === "exponential") {
    const { classes, most, factor } = profile;
    return `class_counts = exponential_counts(num_classes=${classes}, max_count=${most}, imbalance_factor=${factor})`;
  }
  const lines = [""];
  for (const count of counts) {
    const text = `${count}, `;
    if (lines[lines.length - 1].length + text.length > WIDTH) lines.push("");
    lines[lines.length - 1] += text;
  }
  const body = lines.map((line) => line.trimEnd());
  if (body.length === 1) return `class_counts = [${body[0].replace(/,$/, "")}]`;
  return ["class_counts = [", ...body.map((line) => `    ${line}`), "]"].join("\n");
}

// `chosen`: [loss, given settings] each. A loss that is told the epoch is told it.
export function pythonLines(chosen, profile, counts) {
  const usesCounts = chosen.some(([loss, given]) => constructorCall(loss, given, counts).includes("class_counts"));
  const imports = [`from tailwise.losses import ${chosen.map(([loss]) => loss.cls).sort().join(", ")}`];
  if (usesCounts && profile.kind === "exponential") imports.push("from tailwise.data.profiles import exponential_counts");
  const calls = chosen.flatMap(([loss, given]) => {
    const values = settled(loss, given, counts);
    for (const setting of loss.settings) {
      if (setting.imports && values[setting.key] !== setting.initial) imports.push(setting.imports);
    }
    const told = loss.settings.filter((setting) => setting.told);
    return [
      `${loss.name} = ${constructorCall(loss, given, counts)}`,
      ...told.map((setting) => `${loss.name}.set_${setting.key}(${values[setting.key]})`),
    ];
  });
  const head = imports.sort().join("\n");
  return [head, "", ...(usesCounts ? [countsLine(profile, counts)] : []), ...calls].join("\n");
}

// Loss and gradient of one sample against the probability of its class, defined as in tailwise.report.loss_curves.

import { Dual } from "./dual.js";
import { settled } from "./settings.js";

export const linspace = (first, last, points) =>
  Array.from({ length: points }, (_, i) => (i === points - 1 ? last : first + (i * (last - first)) / (points - 1)));

export const AXES = {
  p: { grid: linspace(0.005, 0.995, 199), title: "p<sub>y</sub>, probability of the sample’s own class", short: "p<sub>y</sub>" },
  margin: { grid: linspace(-10, 10, 201), title: "z<sub>y</sub> − largest other logit; above 0 it is right", short: "z<sub>y</sub> − largest other logit" },
};

// How the other classes share 1 - p_y: (C,), 0 for the class itself.
export function sharesOfRest(kind, counts, y, other, rivalShare) {
  const rest = counts.length - 1;
  if (kind === "counts") {
    const all = counts.reduce((sum, count, c) => sum + (c === y ? 0 : count), 0);
    return counts.map((count, c) => (c === y ? 0 : count / all));
  }
  if (kind === "rival" && rest > 1) {
    return counts.map((_, c) => (c === y ? 0 : c === other ? rivalShare : (1 - rivalShare) / (rest - 1)));
  }
  return counts.map((_, c) => (c === y ? 0 : 1 / rest));
}

// The sample's logits z at a place of an axis: z_y = log p_y, z_j = log((1 - p_y) * share_j).
export function logitsAt(axis, place, y, shares) {
  const logShares = shares.map(Math.log);
  if (axis === "p") return logShares.map((logShare, c) => (c === y ? Math.log(place) : Math.log1p(-place) + logShare));
  const odds = place + logShares.reduce((most, logShare) => Math.max(most, logShare), -Infinity);
  const softplus = (z) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
  return logShares.map((logShare, c) => (c === y ? -softplus(-odds) : logShare - softplus(odds)));
}

// Loss, and its derivatives by z_y and by the logit of class `other`, at each place of an axis.
export function curve(loss, given, counts, { y, other, shares, axis, grid }) {
  const settings = settled(loss, given, counts);
  const formula = loss.of(counts, settings);
  const points = grid.map((place) => {
    const start = logitsAt(axis, place, y, shares).map((logit) =>
      loss.inputs === "sigmoids" ? logit - Math.log1p(-Math.exp(logit)) : logit,
    );
    const logits = start.map((logit, c) => new Dual(logit, Number(c === y), Number(c === other)));
    return formula(loss.inputs === "cosines" ? logits.map((logit) => logit.over(settings.scale)) : logits, y);
  });
  return {
    loss: points.map((point) => point.value),
    own: points.map((point) => point.own),
    other: points.map((point) => point.other),
  };
}

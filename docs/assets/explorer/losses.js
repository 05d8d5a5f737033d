// The losses of the library, each the formula of its file in src/tailwise/losses for one sample.
//
// `of(counts, settings)` gives a function of the sample's logits z (Duals) and its class y. What follows from the class
// counts alone is computed once. `inputs` says what the loss is given: the logits z, the "cosines" z / scale, or the
// "sigmoids'" logits log(p / (1 - p)). `note` is what had to be assumed, in the words of tailwise.report.loss_curves.

import { Dual, logSoftmax, logSumExp, sum } from "./dual.js";
import { choice, flag, number, optional, whole } from "./settings.js";

const TINY = Number.EPSILON;
const negated = (logP) => logP.neg();
const oneMinusExp = (logP) => logP.expm1().neg().atLeast(TINY);
const total = (counts) => counts.reduce((all, count) => all + count, 0);
const largest = (counts) => counts.reduce((most, count) => Math.max(most, count), -Infinity);
const smallest = (counts) => counts.reduce((least, count) => Math.min(least, count), Infinity);
const priors = (counts, all = total(counts)) => counts.map((count) => count / all);
const logPriors = (counts) => priors(counts).map(Math.log);
// (n_c - n_min) / (n_max - n_min), 0 for all classes when counts are equal.
function ranks(counts) {
  const [least, most] = [smallest(counts), largest(counts)];
  return counts.map((count) => (count - least) / Math.max(most - least, 1));
}
const shifted = (z, offsets, strength = 1) => z.map((logit, c) => logit.plus(strength * offsets[c]));

// ClassificationLoss: (1 - eps + eps / C) * target term of y + eps / C * other terms of the rest.
function smoothed(logP, y, eps, targetTerm, otherTerm = targetTerm) {
  const own = targetTerm(logP[y], y);
  if (eps === 0) return own;
  const others = sum(logP.map((each, c) => (c === y ? new Dual(0) : otherTerm(each, c))));
  return own.times(1 - eps + eps / logP.length).plus(others.times(eps / logP.length));
}

// LogitAdjustedLoss, and BalancedSoftmaxLoss, which is the same.
function logitAdjusted(counts, { tau, label_smoothing: eps }) {
  const logPrior = logPriors(counts);
  return (z, y) => smoothed(logSoftmax(shifted(z, logPrior, tau)), y, eps, negated);
}

// MarginLoss: each label has a softmax of its own, in which its logit is lowered by its margin.
function withMargins(z, y, margins, eps, term) {
  const termAs = (c, rivals) => term(z[c].minus(margins[c]).minus(rivals).logSigmoid());
  if (eps === 0) return termAs(y, logSumExp(z.filter((_, c) => c !== y)));
  const share = eps / z.length;
  return sum(logSumsOfOthers(z).map((rivals, c) => termAs(c, rivals).times(c === y ? 1 - eps + share : share)));
}

// log sum_{j != c} exp(z_j) for each c, without a difference of near numbers.
function logSumsOfOthers(z) {
  const before = [new Dual(-Infinity)];
  const after = [new Dual(-Infinity)];
  for (let c = 0; c < z.length - 1; c += 1) {
    before.push(logSumExp([before[c], z[c]]));
    after.push(logSumExp([after[c], z[z.length - 1 - c]]));
  }
  return before.map((sumBefore, c) => logSumExp([sumBefore, after[z.length - 1 - c]]));
}

// penalised_cross_entropy: -(1 - p)^((alpha*(1 - p) + beta) * K) * log(min(p + K*m, 1)).
function penalised(logP, strength, { alpha, beta, margin, detach_weight: detached }) {
  const distance = oneMinusExp(logP);
  const factor = distance.pow(distance.times(alpha).plus(beta).times(strength));
  const shift = new Dual(Math.log(strength * margin));
  const logPhi = logSumExp([logP, shift]).atMost(0);
  return (detached ? factor.detached() : factor).times(logPhi).neg();
}

// RegionLoss of a batch of this one sample: the mean over the classes of a term of their overlap.
function overlapping(score, y, term) {
  const terms = score.map((s, c) => term({ hit: c === y ? s : new Dual(0), predicted: s, actual: c === y ? 1 : 0 }));
  return sum(terms).over(score.length);
}

const diceCoefficient = ({ hit, predicted, actual }, smooth) =>
  hit.times(2).plus(smooth).over(predicted.plus(actual).plus(smooth));

function tversky({ hit, predicted, actual }, { delta, gamma, smooth }) {
  const missed = hit.neg().plus(actual).times(delta);
  const falseAlarm = predicted.minus(hit).times(1 - delta);
  const distance = missed.plus(falseAlarm).over(hit.plus(smooth).plus(missed).plus(falseAlarm));
  return distance.atLeast(TINY).pow(gamma);
}

// WeightedNegativesLoss: the logarithms of the weights have no gradient, and the own class has weight 1.
function weightedNegatives(z, y, logWeight) {
  return logSoftmax(z.map((logit, c) => (c === y ? logit : logit.plus(logWeight(c)))))[y].neg();
}

// Delta_j = max_margin * n_j^(-1/4) / max_k n_k^(-1/4), times s.
function scaledMargins(counts, { max_margin: maxMargin, scale }) {
  const inverse = counts.map((count) => count ** -0.25);
  const most = largest(inverse);
  return inverse.map((each) => (scale * maxMargin * each) / most);
}

function cyclicalShare({ epoch, epochs, factor }) {
  const turned = (factor * epoch) / Math.max(epochs - 1, 1);
  const eta = factor * epoch < epochs ? 1 - turned : (turned - 1) / (factor - 1);
  return Math.min(Math.max(eta, 0), 1);
}

const SHAPES = {
  concave: (rank) => Math.sin((rank * Math.PI) / 2),
  linear: (rank) => rank,
  convex: (rank) => 1 - Math.cos((rank * Math.PI) / 2),
  exp: (rank, power) => rank ** power,
};

export function mostFrequent(counts, howMany) {
  const order = counts.map((_, c) => c).sort((a, b) => counts[b] - counts[a] || a - b);
  return order.slice(0, howMany);
}

const FACTORS = { slider: [0, 5, 0.1], atLeast: 0 };
const SHARE = { slider: [0, 1, 0.01], atLeast: 0, atMost: 1 };
const SMOOTH = { slider: [-8, 1, 0.1], logarithmic: true, above: 0 };
const TAU = { slider: [0, 3, 0.05] };
const PENALTY = [
  number("alpha", -2, "slope of the exponent in 1 − p", { slider: [-8, 4, 0.1] }),
  number("beta", 6, "offset of the exponent", { slider: [0, 12, 0.1] }),
  number("margin", 0.05, "shift of the probability", { slider: [0, 0.5, 0.01], atLeast: 0, below: 1 }),
];
const MARGIN = [
  number("max_margin", 0.5, "margin of the rarest class, in cosines", { slider: [0, 1, 0.01], atLeast: 0 }),
  number("scale", 30, "s, of the cosines", { slider: [1, 64, 1], above: 0 }),
];
const TVERSKY = [
  number("delta", 0.7, "cost of a missed sample against a false alarm", SHARE),
  number("gamma", 0.75, "exponent of the Tversky part", { slider: [0.05, 3, 0.05], above: 0 }),
  number("smooth", 1e-6, "added to both sides of the fraction", SMOOTH),
];
const smoothing = (initial) => number("label_smoothing", initial, "ε, for all classes", SHARE);
const variant = (says) => choice("variant", "published", ["published", "released"], says);

const COSINES = ({ scale }) =>
  `given the cosines z / ${Number(scale.toPrecision(6))}, so that p is the softmax of the scaled cosines, before the margin`;
const ONE_SAMPLE = () => "a loss of a whole batch, drawn for a batch of this one sample";
const SIGMOIDS = () => "given the logits log(p / (1 - p)), so that p is the sigmoid of the own class's";

export const LOSSES = [
  {
    name: "cross_entropy",
    title: "Cross entropy",
    cls: "CrossEntropyLoss",
    group: "Easy and hard samples",
    settings: [smoothing(0)],
    of: (counts, { label_smoothing: eps }) => (z, y) => smoothed(logSoftmax(z), y, eps, negated),
  },
  {
    name: "focal",
    title: "Focal",
    cls: "FocalLoss",
    group: "Easy and hard samples",
    settings: [
      number("gamma", 2, "focusing exponent", FACTORS),
      choice("alpha", null, [null, "inverse frequency"], "factor of each class", {
        python: () => "inverse_frequency_weights(class_counts)",
        imports: "from tailwise.weights import inverse_frequency_weights",
      }),
      smoothing(0),
    ],
    of(counts, { gamma, alpha, label_smoothing: eps }) {
      const rarity = priors(counts.map((count) => (alpha === null ? 1 : 1 / count)));
      const term = (logP, c) => oneMinusExp(logP).pow(gamma).times(logP).times(-rarity[c] * counts.length);
      return (z, y) => smoothed(logSoftmax(z), y, eps, term);
    },
  },
  {
    name: "asl",
    title: "ASL, single label",
    cls: "AsymmetricLoss",
    group: "Easy and hard samples",
    settings: [
      number("gamma_pos", 0, "focusing exponent of the sample's class", FACTORS),
      number("gamma_neg", 4, "focusing exponent of the other classes", FACTORS),
      smoothing(0.1),
    ],
    of: (counts, { gamma_pos: own, gamma_neg: others, label_smoothing: eps }) => (z, y) =>
      smoothed(
        logSoftmax(z), y, eps,
        (logP) => oneMinusExp(logP).pow(own).times(logP).neg(),
        (logP) => logP.times(others).exp().times(logP).neg(),
      ),
  },
  {
    name: "cyclical_focal",
    title: "Cyclical focal",
    cls: "CyclicalFocalLoss",
    group: "Easy and hard samples",
    settings: [
      whole("epochs", 200, "E, of the training", { slider: [1, 300, 1], atLeast: 1, required: true }),
      whole("epoch", 0, "e, from 0 to E − 1", { slider: [0, 299, 1], atLeast: 0, told: true, upTo: ({ epochs }) => epochs - 1 }),
      number("gamma_pos", 0, "focusing exponent of the sample's class", FACTORS),
      number("gamma_neg", 4, "focusing exponent of the other classes", FACTORS),
      number("gamma_hc", 2, "exponent for confident samples", FACTORS),
      number("factor", 2, "f: the turn is after 1/f of the epochs", { slider: [1.1, 8, 0.1], above: 1 }),
      smoothing(0.1),
    ],
    note: (settings) => {
      const eta = cyclicalShare(settings);
      return settings.epoch === 0 ? "the first epoch (η = 1)" : `epoch ${settings.epoch} (η = ${Number(eta.toPrecision(3))})`;
    },
    of(counts, settings) {
      const { gamma_pos: pos, gamma_neg: neg, gamma_hc: confident, label_smoothing: eps } = settings;
      const eta = cyclicalShare(settings);
      const own = (logP) => oneMinusExp(logP).pow(pos).times(1 - eta).plus(logP.exp().plus(1).pow(confident).times(eta));
      const others = (logP) => logP.times(neg).exp().times(1 - eta).plus(eta);
      return (z, y) =>
        smoothed(logSoftmax(z), y, eps, (logP) => own(logP).times(logP).neg(), (logP) => others(logP).times(logP).neg());
    },
  },
  {
    name: "poly",
    title: "Poly",
    cls: "PolyLoss",
    group: "Easy and hard samples",
    settings: [
      number("epsilon", 1, "added to the coefficient of 1 − p", { slider: [-1, 5, 0.1], atLeast: -1 }),
      number("gamma", 0, "focusing exponent", FACTORS),
      smoothing(0),
    ],
    of(counts, { epsilon, gamma, label_smoothing: eps }) {
      const term = (logP) => {
        const rest = oneMinusExp(logP);
        return rest.pow(gamma).times(rest.times(epsilon).minus(logP));
      };
      return (z, y) => smoothed(logSoftmax(z), y, eps, term);
    },
  },
  {
    name: "influence_balanced",
    title: "Influence-balanced",
    cls: "InfluenceBalancedLoss",
    group: "Easy and hard samples",
    settings: [
      number("alpha", 1000, "factor", { slider: [-2, 4, 0.05], logarithmic: true, above: 0 }),
      number("epsilon", 1e-3, "added to the influence", { slider: [-6, 1, 0.1], logarithmic: true, above: 0 }),
      optional("gamma", 1, "exponent of a focal factor", FACTORS),
    ],
    note: () => "features of length 1",
    of: (counts, { alpha, epsilon, gamma }) => (z, y) => {
      const logP = logSoftmax(z)[y];
      const rest = oneMinusExp(logP);
      const loss = gamma === null ? logP.neg() : rest.pow(gamma).times(logP).neg();
      return loss.times(alpha).over(rest.times(2).plus(epsilon));
    },
  },
  {
    name: "gppe",
    title: "GPPE",
    cls: "GPPELoss",
    group: "Gradient penalties and margins",
    takesCounts: true,
    settings: [
      ...PENALTY,
      flag("detach_weight", false, "no gradient through the factor"),
      optional("majority_classes", 1, "how many of the most frequent classes; else those above the mean count", {
        whole: true, slider: [0, 20, 1], atLeast: 0,
        python: (howMany, counts) => `[${mostFrequent(counts, howMany).sort((a, b) => a - b).join(", ")}]`,
      }),
      smoothing(0),
    ],
    of(counts, settings) {
      const named = settings.majority_classes === null ? null : new Set(mostFrequent(counts, settings.majority_classes));
      const mean = Math.floor(total(counts) / counts.length);
      const isMajority = (c) => (named === null ? counts[c] > mean : named.has(c));
      const term = (logP, c) => penalised(logP, isMajority(c) ? 1 : 0, settings);
      return (z, y) => smoothed(logSoftmax(z), y, settings.label_smoothing, term);
    },
  },
  {
    name: "sgpl",
    title: "SGPL",
    cls: "SGPLLoss",
    group: "Gradient penalties and margins",
    takesCounts: true,
    settings: [...PENALTY, smoothing(0.1), variant("released: only the most frequent class keeps a penalty")],
    of(counts, settings) {
      const strength = settings.variant === "released" ? ranks(counts).map(Math.floor) : ranks(counts);
      const term = (logP, c) => penalised(logP, strength[c], settings);
      return (z, y) => smoothed(logSoftmax(z), y, settings.label_smoothing, term, negated);
    },
  },
  {
    name: "ldam",
    title: "LDAM",
    cls: "LDAMLoss",
    group: "Gradient penalties and margins",
    inputs: "cosines",
    takesCounts: true,
    settings: [...MARGIN, smoothing(0)],
    note: COSINES,
    of(counts, settings) {
      const margins = scaledMargins(counts, settings);
      return (z, y) =>
        withMargins(z.map((cosine) => cosine.times(settings.scale)), y, margins, settings.label_smoothing, negated);
    },
  },
  {
    name: "cri",
    title: "CRI",
    cls: "CRILoss",
    group: "Gradient penalties and margins",
    inputs: "cosines",
    takesCounts: true,
    settings: [
      ...MARGIN,
      number("gamma", 1, "focusing exponent", FACTORS),
      choice("correction", "zero", ["zero", "clip", "decay", "none"], "of samples whose p is below the threshold"),
      number("threshold", 1e-50, "T, of the correction", { slider: [-50, -0.05, 0.05], logarithmic: true, above: 0, below: 1 }),
      smoothing(0),
    ],
    note: COSINES,
    of(counts, settings) {
      const { gamma, correction, threshold, scale, label_smoothing: eps } = settings;
      const margins = scaledMargins(counts, settings);
      const logThreshold = Math.log(threshold);
      const atThreshold = -((1 - threshold) ** gamma) * logThreshold;
      const corrected = {
        zero: () => new Dual(0),
        clip: () => new Dual(atThreshold),
        decay: (logP) => logP.minus(logThreshold).exp().times(atThreshold),
      }[correction];
      const term = (logP) =>
        corrected && logP.value < logThreshold ? corrected(logP) : oneMinusExp(logP).pow(gamma).times(logP).neg();
      return (z, y) => withMargins(z.map((cosine) => cosine.times(scale)), y, margins, eps, term);
    },
  },
  {
    name: "logit_adjusted",
    title: "Logit-adjusted",
    cls: "LogitAdjustedLoss",
    group: "Corrections for the class counts",
    takesCounts: true,
    settings: [number("tau", 1, "strength", TAU), smoothing(0)],
    of: logitAdjusted,
  },
  {
    name: "balanced_softmax",
    title: "Balanced softmax",
    cls: "BalancedSoftmaxLoss",
    group: "Corrections for the class counts",
    takesCounts: true,
    settings: [number("tau", 1, "strength", TAU), smoothing(0)],
    of: logitAdjusted,
  },
  {
    name: "vs",
    title: "VS",
    cls: "VSLoss",
    group: "Corrections for the class counts",
    takesCounts: true,
    settings: [
      number("gamma", 0.3, "exponent of the multiplicative adjustment", { slider: [0, 1, 0.01], atLeast: 0 }),
      number("tau", 1, "strength of the additive adjustment", TAU),
      smoothing(0),
    ],
    note: () => "given the logarithms of p, on whose level it depends",
    of(counts, { gamma, tau, label_smoothing: eps }) {
      const most = largest(counts);
      const inverseDelta = counts.map((count) => (count / most) ** gamma);
      const logPrior = logPriors(counts);
      const adjusted = (z) => shifted(z.map((logit, c) => logit.times(inverseDelta[c])), logPrior, tau);
      return (z, y) => smoothed(logSoftmax(adjusted(z)), y, eps, negated);
    },
  },
  {
    name: "gala",
    title: "GALA, BaGMar",
    cls: "GALALoss",
    group: "Corrections for the class counts",
    takesCounts: true,
    settings: [
      number("lambda_pos", 1, "λ₁, strength of log θ", TAU),
      number("lambda_neg", 1, "λ₂, strength of log φ", TAU),
      number("eps", 1e-3, "added inside the logarithms", { slider: [-6, 3, 0.1], logarithmic: true, above: 0 }),
      variant("released: log θ is added to the own logit too"),
      smoothing(0),
    ],
    note: () => "state θ = φ = class counts; in training it gathers its own",
    of(counts, { lambda_pos: pos, lambda_neg: neg, eps, variant: which, label_smoothing: share }) {
      const logSums = counts.map((count) => Math.log(count + eps));
      const margins = logSums.map((each) => (which === "released" ? 0 : pos * each - neg * each));
      return (z, y) => withMargins(shifted(z, logSums, pos), y, margins, share, negated);
    },
  },
  {
    name: "seesaw",
    title: "Seesaw",
    cls: "SeesawLoss",
    group: "Corrections for the class counts",
    takesCounts: true,
    settings: [
      number("p", 0.8, "exponent of the mitigation", { slider: [0, 3, 0.05], atLeast: 0 }),
      number("q", 2, "exponent of the compensation", { slider: [0, 5, 0.1], atLeast: 0 }),
      number("eps", 1e-2, "least own score that it divides by", { slider: [-6, 0, 0.1], logarithmic: true, above: 0 }),
    ],
    of: (counts, { p, q, eps }) => (z, y) => {
      const logScore = logSoftmax(z.map((logit) => logit.detached())).map((each) => each.value);
      const own = Math.max(logScore[y], Math.log(eps));
      const mitigation = (c) => p * Math.min(Math.log(counts[c]) - Math.log(counts[y]), 0);
      return weightedNegatives(z, y, (c) => mitigation(c) + q * Math.max(logScore[c] - own, 0));
    },
  },
  {
    name: "equalization",
    title: "Equalization",
    cls: "EqualizationLoss",
    group: "Corrections for the class counts",
    takesCounts: true,
    settings: [
      number("gamma", 0.9, "share of the draws that leave a rare class out", SHARE),
      optional("threshold", 0.1, "share of the samples below which a class is rare; else 1 / C", {
        slider: [-5, 0, 0.05], logarithmic: true, above: 0, atMost: 1,
      }),
    ],
    note: () => "rare classes left out by their mean share; in training they are drawn",
    of(counts, { gamma, threshold }) {
      const isRare = (prior) => prior < (threshold ?? 1 / counts.length);
      const logWeights = priors(counts).map((prior) => (isRare(prior) ? Math.log(1 - gamma) : 0));
      return (z, y) => weightedNegatives(z, y, (c) => logWeights[c]);
    },
  },
  {
    name: "lade",
    title: "LADE",
    cls: "LADELoss",
    group: "Corrections for the class counts",
    takesCounts: true,
    settings: [
      number("remine_lambda", 0.1, "weight of S² in the regulariser", { slider: [0, 1, 0.01], atLeast: 0 }),
      number("regularizer_weight", 0.1, "weight of the regulariser", { slider: [0, 1, 0.01], atLeast: 0 }),
    ],
    note: ONE_SAMPLE,
    of(counts, { remine_lambda: lambda, regularizer_weight: weight }) {
      const logPrior = logPriors(counts);
      const bound = (logit, c, y) => {
        const logPartition = logit.minus(logPrior[c]).minus(Math.log(counts.length));
        return (c === y ? logit : new Dual(0)).minus(logPartition).minus(logPartition.square().times(lambda));
      };
      const regularizer = (z, y) => sum(z.map((logit, c) => bound(logit, c, y).times(-Math.exp(logPrior[c]))));
      return (z, y) => logSoftmax(shifted(z, logPrior))[y].neg().plus(regularizer(z, y).times(weight));
    },
  },
  {
    name: "label_aware_smoothing",
    title: "Label-aware smoothing",
    cls: "LabelAwareSmoothingLoss",
    group: "Smoothed labels",
    takesCounts: true,
    settings: [
      number("smooth_head", 0.3, "smoothing of the most frequent class", SHARE),
      number("smooth_tail", 0, "smoothing of the rarest class", SHARE),
      choice("shape", "concave", Object.keys(SHAPES), "of the way from tail to head"),
      optional("power", 2, 'exponent of the shape "exp"', {
        slider: [0.1, 5, 0.1], above: 0, needed: true, onlyIf: ({ shape }) => shape === "exp",
      }),
    ],
    of(counts, { smooth_head: head, smooth_tail: tail, shape, power }) {
      const rank = ranks(counts).map((part) => SHAPES[shape](part, power));
      return (z, y) => smoothed(logSoftmax(z), y, tail + (head - tail) * rank[y], negated);
    },
  },
  {
    name: "label_over_smoothing",
    title: "Label over-smoothing",
    cls: "LabelOverSmoothingLoss",
    group: "Smoothed labels",
    settings: [smoothing(0.98)],
    of: (counts, { label_smoothing: eps }) => (z, y) => smoothed(logSoftmax(z), y, eps, negated),
  },
  {
    name: "dice",
    title: "Dice",
    cls: "DiceLoss",
    group: "Overlap",
    settings: [
      number("alpha", 0, "exponent of the self-adjusting factor", FACTORS),
      number("smooth", 1, "added to both sides of the fraction", SMOOTH),
    ],
    note: ONE_SAMPLE,
    of(counts, { alpha, smooth }) {
      const score = (logP) => (alpha === 0 ? logP.exp() : oneMinusExp(logP).pow(alpha).times(logP.exp()));
      return (z, y) =>
        overlapping(logSoftmax(z).map(score), y, (overlap) => diceCoefficient(overlap, smooth).neg().plus(1));
    },
  },
  {
    name: "focal_tversky",
    title: "Focal Tversky",
    cls: "FocalTverskyLoss",
    group: "Overlap",
    settings: TVERSKY,
    note: ONE_SAMPLE,
    of: (counts, settings) => (z, y) =>
      overlapping(logSoftmax(z).map((logP) => logP.exp()), y, (overlap) => tversky(overlap, settings)),
  },
  {
    name: "combo",
    title: "Combo",
    cls: "ComboLoss",
    group: "Overlap",
    settings: [
      number("alpha", 0.5, "share of the cross entropy", SHARE),
      optional("beta", 0.5, "of two classes, the weight of class 0", { ...SHARE, onlyIf: (_, counts) => counts.length === 2 }),
      number("smooth", 1e-6, "added to both sides of the fraction", SMOOTH),
    ],
    note: ONE_SAMPLE,
    of: (counts, { alpha, beta, smooth }) => (z, y) => {
      const logP = logSoftmax(z);
      const factor = beta === null ? alpha : alpha * (y === 0 ? beta : 1 - beta);
      const overlap = overlapping(logP.map((each) => each.exp()), y, (of) => diceCoefficient(of, 2 * smooth));
      return logP[y].times(-factor).minus(overlap.times(1 - alpha));
    },
  },
  {
    name: "hybrid_focal",
    title: "Hybrid focal",
    cls: "HybridFocalLoss",
    group: "Overlap",
    settings: [
      number("focal_share", 0.5, "λ, share of the focal loss", SHARE),
      number("focal_gamma", 2, "exponent of the focal loss", FACTORS),
      ...TVERSKY,
    ],
    note: ONE_SAMPLE,
    of: (counts, settings) => (z, y) => {
      const { focal_share: share, focal_gamma: gamma } = settings;
      const logP = logSoftmax(z);
      const focal = oneMinusExp(logP[y]).pow(gamma).times(logP[y]).times(-share);
      const overlap = overlapping(logP.map((each) => each.exp()), y, (of) => tversky(of, settings));
      return focal.plus(overlap.times(1 - share));
    },
  },
  {
    name: "asl_multi_label",
    title: "ASL, multi-label",
    cls: "MultiLabelAsymmetricLoss",
    group: "A sigmoid for each class",
    inputs: "sigmoids",
    settings: [
      number("gamma_pos", 1, "focusing exponent of the class that the sample has", FACTORS),
      number("gamma_neg", 4, "focusing exponent of the others", FACTORS),
      number("margin", 0.05, "others of a probability up to it count for nothing", { slider: [0, 0.5, 0.01], atLeast: 0, below: 1 }),
      flag("detach_weight", true, "no gradient through the focusing factors"),
    ],
    note: SIGMOIDS,
    of(counts, { gamma_pos: pos, gamma_neg: neg, margin, detach_weight: detached }) {
      const power = (p, exponent) => (detached ? p.detached() : p).atLeast(TINY).pow(exponent);
      const positive = (logit) => power(logit.neg().sigmoid(), pos).times(logit.logSigmoid()).neg();
      const negative = (logit) => {
        const rest = logit.neg().sigmoid();
        const logRest = margin === 0 ? logit.neg().logSigmoid() : rest.plus(margin).atMost(1).log();
        const lowered = margin === 0 ? logit.sigmoid() : rest.neg().plus(1 - margin).atLeast(0);
        return power(lowered, neg).times(logRest).neg();
      };
      return (z, y) => sum(z.map((logit, c) => (c === y ? positive(logit) : negative(logit))));
    },
  },
  {
    name: "equalized_focal",
    title: "Equalized focal",
    cls: "EqualizedFocalLoss",
    group: "A sigmoid for each class",
    inputs: "sigmoids",
    takesCounts: true,
    settings: [
      number("gamma", 2, "focusing exponent of a class in balance", { slider: [0.1, 5, 0.1], above: 0 }),
      number("scale", 8, "by how much more a class without positives is focused", { slider: [0, 16, 0.5], atLeast: 0 }),
      number("alpha", 0.25, "weight of the positives", { slider: [0.01, 0.99, 0.01], above: 0, below: 1 }),
      flag("trained", false, "with a state: positives n_c, negatives N − n_c; else before the first batch", { assumed: true }),
    ],
    note: SIGMOIDS,
    of(counts, { gamma, scale, alpha, trained }) {
      const all = total(counts);
      const balance = (c) => (trained && all > counts[c] ? Math.min(counts[c] / (all - counts[c]), 1) : 1);
      const exponents = counts.map((_, c) => gamma + scale * (1 - balance(c)));
      const focused = (share, exponent, rest, logP) =>
        rest.atLeast(TINY).pow(exponent).times(logP).times((-share * exponent) / gamma);
      const positive = (logit, e) => focused(alpha, e, logit.neg().sigmoid(), logit.logSigmoid());
      const negative = (logit, e) => focused(1 - alpha, e, logit.sigmoid(), logit.neg().logSigmoid());
      return (z, y) => sum(z.map((logit, c) => (c === y ? positive : negative)(logit, exponents[c])));
    },
  },
];

export const GROUPS = [...new Set(LOSSES.map((loss) => loss.group))];

export const findLoss = (name) => LOSSES.find((loss) => loss.name === name);

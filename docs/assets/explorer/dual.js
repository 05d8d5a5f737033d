// Numbers that carry their derivatives by two logits: a formula, written once, gives a loss and its exact gradient.

export class Dual {
  // value, and its derivatives by the sample's own logit and by that of another class.
  constructor(value, own = 0, other = 0) {
    this.value = value;
    this.own = own;
    this.other = other;
  }

  static of(number) {
    return number instanceof Dual ? number : new Dual(number);
  }

  // A function of this number alone: its value here, and its slope.
  map(value, slope) {
    return new Dual(value, slope * this.own, slope * this.other);
  }

  plus(number) {
    const right = Dual.of(number);
    return new Dual(this.value + right.value, this.own + right.own, this.other + right.other);
  }

  minus(number) {
    return this.plus(Dual.of(number).neg());
  }

  times(number) {
    if (!(number instanceof Dual)) return this.map(this.value * number, number);
    const { value, own, other } = number;
    return new Dual(this.value * value, this.own * value + this.value * own, this.other * value + this.value * other);
  }

  over(number) {
    if (!(number instanceof Dual)) return this.map(this.value / number, 1 / number);
    return this.times(number.map(1 / number.value, -1 / number.value ** 2));
  }

  neg() {
    return this.map(-this.value, -1);
  }

  exp() {
    return this.map(Math.exp(this.value), Math.exp(this.value));
  }

  expm1() {
    return this.map(Math.expm1(this.value), Math.exp(this.value));
  }

  log() {
    return this.map(Math.log(this.value), 1 / this.value);
  }

  // To a power that may itself depend on the logits; the base is then above 0.
  pow(exponent) {
    if (exponent instanceof Dual) return exponent.times(this.log()).exp();
    return this.map(this.value ** exponent, exponent === 0 ? 0 : exponent * this.value ** (exponent - 1));
  }

  square() {
    return this.times(this);
  }

  sigmoid() {
    const p = 1 / (1 + Math.exp(-this.value));
    return this.map(p, p / (1 + Math.exp(this.value)));
  }

  logSigmoid() {
    const size = Math.log1p(Math.exp(-Math.abs(this.value)));
    return this.map(Math.min(this.value, 0) - size, 1 / (1 + Math.exp(this.value)));
  }

  // Where a bound acts the number is constant; on the bound itself it is not, as in torch.
  atLeast(bound) {
    return this.value >= bound ? this : new Dual(bound);
  }

  atMost(bound) {
    return this.value <= bound ? this : new Dual(bound);
  }

  // The value alone, as a constant.
  detached() {
    return new Dual(this.value);
  }
}

export function sum(numbers) {
  let value = 0;
  let own = 0;
  let other = 0;
  for (const number of numbers) {
    value += number.value;
    own += number.own;
    other += number.other;
  }
  return new Dual(value, own, other);
}

export function logSumExp(numbers) {
  const top = numbers.reduce((most, number) => Math.max(most, number.value), -Infinity);
  if (top === -Infinity) return new Dual(top);
  return sum(numbers.map((number) => number.minus(top).exp())).log().plus(top);
}

export function logSoftmax(logits) {
  const top = logits.reduce((most, logit) => Math.max(most, logit.value), -Infinity);
  const lowered = logits.map((logit) => logit.minus(top));
  const logTotal = sum(lowered.map((logit) => logit.exp())).log();
  return lowered.map((logit) => logit.minus(logTotal));
}

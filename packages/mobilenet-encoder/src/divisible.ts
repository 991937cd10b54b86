/**
 * The multiple of `divisor` nearest to `value`, at least `divisor`, and never more than 10 % below `value`: how MobileNets
 * round a scaled channel count (TensorFlow's `_make_divisible`, timm's `make_divisible`).
 */
export const makeDivisible = (value: number, divisor = 8): number => {
  const rounded = Math.max(divisor, Math.floor((value + divisor / 2) / divisor) * divisor)
  return rounded < 0.9 * value ? rounded + divisor : rounded
}

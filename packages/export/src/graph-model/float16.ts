const float = new Float32Array(1)
const bits = new Uint32Array(float.buffer)

/** One float32 as IEEE 754 half precision, rounded to nearest even; too large becomes infinite. */
export const toHalf = (value: number): number => {
  float[0] = value
  const x = bits[0]!
  const sign = (x >>> 16) & 0x8000
  const exponent = (x >>> 23) & 0xff
  let mantissa = x & 0x7fffff
  if (exponent === 0xff) return sign | 0x7c00 | (mantissa === 0 ? 0 : 0x200)
  const half = exponent - 112
  if (half >= 31) return sign | 0x7c00
  if (half <= 0) {
    // Subnormal: the implicit one becomes explicit and everything moves right.
    if (half < -10) return sign
    mantissa |= 0x800000
    const shift = 14 - half
    const kept = mantissa >>> shift
    const rest = mantissa & ((1 << shift) - 1)
    const middle = 1 << (shift - 1)
    return sign | (kept + (rest > middle || (rest === middle && (kept & 1) === 1) ? 1 : 0))
  }
  const kept = (half << 10) | (mantissa >>> 13)
  const rest = mantissa & 0x1fff
  return sign | (kept + (rest > 0x1000 || (rest === 0x1000 && (kept & 1) === 1) ? 1 : 0))
}

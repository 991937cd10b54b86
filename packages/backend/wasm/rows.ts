// Which output positions of a row have a given filter tap inside the image.

/** First output position whose tap at offset `tap` (dilated index minus padding) lies inside the image. */
export function firstInside(tap: i32, stride: i32): i32 {
  return tap >= 0 ? 0 : (stride - 1 - tap) / stride
}

/** One past the last output position whose tap lies inside the image. */
export function endInside(tap: i32, stride: i32, inSize: i32, outSize: i32): i32 {
  if (inSize - 1 - tap < 0) return 0
  return min((inSize - 1 - tap) / stride + 1, outSize)
}

/** A y4m of 160 x 120, dark on its left, bright on its right: what a fake camera shows. */
export const fakeCamera = (): Buffer => {
  const luma = Buffer.from(Array.from({ length: 160 * 120 }, (_, i) => (i % 160 < 80 ? 60 : 180)))
  const frame = Buffer.concat([Buffer.from('FRAME\n'), luma, Buffer.alloc(2 * 80 * 60, 128)])
  return Buffer.concat([Buffer.from('YUV4MPEG2 W160 H120 F30:1 Ip A1:1 C420jpeg\n'), ...Array(10).fill(frame)])
}

/** A LayersModel of tfjs in memory: weights of every kind in two groups, the second one's data in two files. */
export const tinyTfjs = (): { json: Uint8Array; shards: Map<string, Uint8Array> } => {
  const groups = [
    {
      paths: ['part0.bin'],
      weights: [
        { name: 'conv/kernel', shape: [2, 1], dtype: 'float32' },
        { name: 'steps', shape: [], dtype: 'int32' },
      ],
    },
    {
      paths: ['part1.bin', 'part2.bin'],
      weights: [
        { name: 'bn/gamma', shape: [3], dtype: 'float32', quantization: { dtype: 'uint8', scale: 0.5, min: -1 } },
        { name: 'wide', shape: [2, 1], dtype: 'float32', quantization: { dtype: 'uint16', scale: 0.25, min: 3 } },
        { name: 'half', shape: [2], dtype: 'float32', quantization: { dtype: 'float16' } },
        { name: 'counts', shape: [2], dtype: 'int32', quantization: { dtype: 'uint8', scale: 1.5, min: -2 } },
        { name: 'mask', shape: [3], dtype: 'bool' },
      ],
    },
  ]
  const second = Uint8Array.of(0, 2, 255, 1, 0, 0, 1, 0, 0x3c, 0, 0xc0, 0, 3, 1, 0, 1)
  return {
    json: new TextEncoder().encode(
      JSON.stringify({ format: 'layers-model', generatedBy: 'keras v2.4.0', weightsManifest: groups }),
    ),
    shards: new Map([
      ['part0.bin', new Uint8Array(Uint32Array.of(0x3f800000, 0xbf000000, 7).buffer)],
      ['part1.bin', second.subarray(0, 5)],
      ['part2.bin', second.subarray(5)],
    ]),
  }
}

/** What its tensors are. */
export const tinyTfjsTensors = new Map<string, unknown>([
  ['conv/kernel', { dtype: 'float32', shape: [2, 1], data: Float32Array.of(1, -0.5) }],
  ['steps', { dtype: 'int32', shape: [], data: Int32Array.of(7) }],
  ['bn/gamma', { dtype: 'float32', shape: [3], data: Float32Array.of(-1, 0, 126.5) }],
  ['wide', { dtype: 'float32', shape: [2, 1], data: Float32Array.of(3.25, 67) }],
  ['half', { dtype: 'float32', shape: [2], data: Float32Array.of(1, -2) }],
  ['counts', { dtype: 'int32', shape: [2], data: Int32Array.of(-2, 3) }],
  ['mask', { dtype: 'bool', shape: [3], data: Uint8Array.of(1, 0, 1) }],
])

/** One encoded picture. */
export interface EncodedFrame {
  data: Uint8Array
  /** Of its showing, ms from the start. */
  timeMs: number
  key: boolean
}

const bytesOf = (value: number, length: number): number[] =>
  Array.from({ length }, (_, i) => Math.floor(value / 2 ** (8 * (length - 1 - i))) % 256)

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text)

const double = (value: number): Uint8Array => {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setFloat64(0, value)
  return bytes
}

const joined = (parts: readonly (Uint8Array | readonly number[])[]): Uint8Array =>
  Buffer.concat(parts.map(part => Uint8Array.from(part)))

/** An element of EBML: its id, its size in eight bytes, its content. */
const element = (id: number, ...content: (Uint8Array | readonly number[])[]): Uint8Array => {
  const body = joined(content)
  const idLength = id > 0xffffff ? 4 : id > 0xffff ? 3 : id > 0xff ? 2 : 1
  return joined([bytesOf(id, idLength), [1, ...bytesOf(body.length, 7)], body])
}

/** An unsigned number, always in eight bytes. */
const number = (id: number, value: number): Uint8Array => element(id, bytesOf(value, 8))

/**
 * A WebM file of one VP9 track (the Matroska specification, RFC 9559): all frames in one cluster, found by one cue, so that
 * players can go back to the start. Clusters count ms in 16 bits, so it must be shorter than 32 s.
 */
export const webm = (
  frames: readonly EncodedFrame[],
  { width, height, durationMs }: { width: number; height: number; durationMs: number },
): Uint8Array => {
  const head = element(
    0x1a45dfa3,
    number(0x4286, 1),
    number(0x42f7, 1),
    number(0x42f2, 4),
    number(0x42f3, 8),
    element(0x4282, ascii('webm')),
    number(0x4287, 4),
    number(0x4285, 2),
  )
  const info = element(
    0x1549a966,
    number(0x2ad7b1, 1_000_000),
    element(0x4489, double(durationMs)),
    element(0x4d80, ascii('fx')),
    element(0x5741, ascii('fx')),
  )
  const video = element(0xe0, number(0xb0, width), number(0xba, height))
  const track = element(0xae, number(0xd7, 1), number(0x73c5, 1), number(0x83, 1), element(0x86, ascii('V_VP9')), video)
  const tracks = element(0x1654ae6b, track)
  const cues = (cluster: number): Uint8Array =>
    element(0x1c53bb6b, element(0xbb, number(0xb3, 0), element(0xb7, number(0xf7, 1), number(0xf1, cluster))))
  const beforeCluster = info.length + tracks.length + cues(0).length
  const blocks = frames.map(({ data, timeMs, key }) =>
    element(0xa3, [0x81, ...bytesOf(Math.round(timeMs), 2), key ? 0x80 : 0], data),
  )
  const cluster = element(0x1f43b675, number(0xe7, 0), ...blocks)
  return joined([head, element(0x18538067, info, tracks, cues(beforeCluster), cluster)])
}

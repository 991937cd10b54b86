/** Frames that are looked at, and how near two times must be to be the same, ms. */
const frames = 20
const same = 0.01

/** Timestamps of the frames as a processor gives them, ms, by a clock of the browser's own. */
const timestampsOf = async (track: MediaStreamTrack): Promise<number[]> => {
  type Processor = new (options: { track: MediaStreamTrack }) => { readable: ReadableStream<VideoFrame> }
  const { MediaStreamTrackProcessor } = globalThis as unknown as { MediaStreamTrackProcessor: Processor }
  const reader = new MediaStreamTrackProcessor({ track }).readable.getReader()
  const times: number[] = []
  while (times.length < frames) {
    const { value } = await reader.read()
    times.push(value!.timestamp / 1000)
    value!.close()
  }
  await reader.cancel()
  return times
}

/** Times of capture of the frames as a video tells them, by `performance.now()`. */
const captureTimesOf = async (track: MediaStreamTrack): Promise<number[]> => {
  const video = document.createElement('video')
  video.muted = true
  video.srcObject = new MediaStream([track])
  await video.play()
  const times: number[] = []
  while (times.length < frames) {
    const next = (resolve: (metadata: VideoFrameCallbackMetadata) => void) =>
      video.requestVideoFrameCallback((_, metadata) => resolve(metadata))
    times.push((await new Promise(next)).captureTime ?? Number.NaN)
  }
  video.srcObject = null
  return times
}

/**
 * What to add to the timestamps of a track's frames for their times of capture by `performance.now()`: a video and a
 * processor see the same frames, whose distances are never quite the same, so that one offset alone fits them all.
 *
 * @returns undefined where none fits most of them.
 */
export const captureOffset = async (track: MediaStreamTrack): Promise<number | undefined> => {
  const [stamps, captures] = await Promise.all([timestampsOf(track), captureTimesOf(track)])
  const fits = (offset: number): number =>
    captures.filter(time => stamps.some(stamp => Math.abs(stamp + offset - time) < same)).length
  const offsets = captures.flatMap(time => stamps.map(stamp => time - stamp))
  const best = offsets.reduce((best, offset) => (fits(offset) > fits(best) ? offset : best))
  return fits(best) > frames / 2 ? best : undefined
}

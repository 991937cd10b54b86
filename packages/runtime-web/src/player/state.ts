/** What a player is doing, and why: for whoever explains it to a visitor. */
export type PlayerState =
  | { kind: 'running'; reason: RunningReason; message: string }
  | { kind: 'waiting'; reason: 'camera-lost' | 'no-face'; message: string }
  | { kind: 'failed'; reason: 'error'; message: string; error: Error }

type RunningReason =
  /** The first frame was painted. */
  | 'started'
  | 'camera-returned'
  | 'face-found'
  /** Another engine took over from one that failed. */
  | 'engine-changed'
  /** The adaptive quality made a step. */
  | 'quality-changed'

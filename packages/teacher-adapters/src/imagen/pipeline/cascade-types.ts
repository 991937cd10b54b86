import type * as tf from '@tensorflow/tfjs-core'
import type { Waypoint } from './denoise.js'
import type { EditMethod, EditStrength } from './edit.js'
import type { Masks } from './mask.js'
import type { Stage } from './stage.js'

/** Where a cascade is. */
export interface CascadeProgress {
  /** From 1. */
  stage: number
  stages: number
  /** Done in this stage. */
  step: number
  steps: number
}

/** What images are made from. The tensors stay the caller's. */
export interface CascadeRequest {
  /** Embeddings of the prompts, `[N, L, D]`. */
  text: tf.Tensor3D
  /** Of the negative prompt, or of the empty one: `[1, L, D]` or `[N, L, D]`. Needed where guidance is not 1. */
  negative?: tf.Tensor3D
  /** One for each image: names all its noise, so that an image does not depend on its batch. */
  seeds: readonly (string | number)[]
  signal?: AbortSignal | undefined
  onStep?: ((progress: CascadeProgress) => void) | undefined
}

/** Images at every resolution of a cascade. It owns its tensors until `dispose`. */
export interface Rendering {
  /** In about [-1, 1], by stage, `[N, R, R, 3]`; the last are the whole cascade's. */
  readonly images: readonly tf.Tensor4D[]
  /** The way of the base stage, where it was to be remembered. */
  readonly remembered?: { index: number; at: Waypoint }
  dispose(): void
}

/** How a rendering is edited. The tensors stay the caller's. */
export interface CascadeEdit extends CascadeRequest {
  method: EditMethod
  /** Embeddings of the prompts of what is edited, `[N, L, D]`. */
  before: tf.Tensor3D
  strength: EditStrength
  /** Where to inpaint, `[N, R, R, 1]` at the resolution of the cascade; else it is found. */
  masks?: Masks
}

/** Stages that make small images from noise and enlarge them. It owns its networks until `dispose`. */
export interface Cascade {
  /** Side of its images, pixels. */
  readonly resolution: number
  readonly stages: readonly Stage[]
  /** Images `[N, R, R, 3]` in about [-1, 1]. The caller owns them. */
  generate(request: CascadeRequest): Promise<tf.Tensor4D>
  /** The same with the images of every stage. `shared` as of the method `shared-noise` that will edit it. */
  render(request: CascadeRequest & { shared?: number }): Promise<Rendering>
  /** Images from elsewhere, `[N, R, R, 3]` at the cascade's resolution in [-1, 1], so that they can be edited. */
  renderingOf(images: tf.Tensor4D): Rendering
  /** An edited copy of a rendering. The seeds must be those that it was made with, if it was. */
  edit(source: Rendering, request: CascadeEdit): Promise<Rendering>
  dispose(): void
}

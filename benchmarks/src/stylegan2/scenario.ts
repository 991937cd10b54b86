import type { BackendName } from '@fx/backend'

/** The shape of a GAN to be measured; names as in `GeneratorConfig`. */
interface GanShape {
  resolution: number
  channelBase: number
  channelMax: number
  zDim: number
  wDim: number
  mappingLayers: number
}

/** A backend with one network. Plain data: it travels to the process that runs it. */
export interface GanContender {
  name: string
  backend: BackendName
  threads: number
  shape: GanShape
  batches: readonly number[]
  /** It runs once in so many rounds. Default 1. */
  everyRounds?: number
}

/** The size of the miniature GAN that trains on two cores. */
const small: GanShape = { resolution: 64, channelBase: 2048, channelMax: 128, zDim: 128, wDim: 128, mappingLayers: 4 }
const big: GanShape = { resolution: 256, channelBase: 8192, channelMax: 128, zDim: 512, wDim: 512, mappingLayers: 8 }

const backends: readonly Pick<GanContender, 'name' | 'backend' | 'threads' | 'everyRounds'>[] = [
  { name: 'cpu', backend: 'cpu', threads: 1, everyRounds: 4 },
  { name: 'wasm', backend: 'wasm', threads: 1 },
  { name: 'tfjs-node', backend: 'tfjs-node', threads: 0 },
  { name: 'webgpu', backend: 'webgpu', threads: 0 },
]

const titled = (shape: GanShape) => (backend: (typeof backends)[number]) => ({
  ...backend,
  name: `${backend.name} ${shape.resolution} px`,
  shape,
})

/** Plain JavaScript takes a second and more an image: one at a time is enough. */
export const generationContenders: readonly GanContender[] = [small, big].flatMap(shape =>
  backends.map(titled(shape)).map(contender => ({ ...contender, batches: contender.backend === 'cpu' ? [1] : [1, 4] })),
)

/** Plain JavaScript needs minutes for one step. */
export const trainingContenders: readonly GanContender[] = backends
  .filter(({ backend }) => backend !== 'cpu')
  .map(titled(small))
  .map(contender => ({ ...contender, batches: [4] }))

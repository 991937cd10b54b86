import { type TeacherAdapter, validatePairRequest } from '@fx/teacher-adapters'

/** Hills under clouds. Dusk, from 0 to 1, turns the sky orange and leaves the hills. */
const landscape = (seed: number, size: number, dusk: number): Uint8Array => {
  const data = new Uint8Array(size * size * 3)
  for (let pixel = 0; pixel < size * size; pixel++) {
    const [x, y] = [(pixel % size) / size, Math.floor(pixel / size) / size]
    const hill = y > 0.6 + 0.1 * Math.sin(5 * x + seed)
    const light = 20 * Math.sin(20 * x + seed) * Math.sin(30 * y)
    const colour = hill ? [60, 120, 50] : [90 + 130 * dusk, 150, 210 - 160 * dusk]
    for (let c = 0; c < 3; c++) data[3 * pixel + c] = colour[c]! + light
  }
  return data
}

export const landscapes = (): TeacherAdapter => {
  const [id, version] = ['landscapes', '1']
  const adapter: TeacherAdapter = {
    specificationVersion: 'v1',
    id,
    version,
    capabilities: {
      deterministic: true,
      pairCount: 100_000,
      size: { min: 8, max: 512 },
      effects: ['dusk'],
      parameters: ['strength'],
    },
    async *pairs(request) {
      const { size, seeds, parametersFor, throwIfAborted } = validatePairRequest(adapter, request)
      for (const seed of seeds) {
        throwIfAborted()
        const parameters = parametersFor(seed)
        yield {
          id: `landscape-${seed}`,
          input: { width: size, height: size, data: landscape(seed, size, 0) },
          target: { width: size, height: size, data: landscape(seed, size, parameters.strength ?? 1) },
          parameters,
          provenance: { teacher: { id, version }, seed, licence: { id: 'CC0-1.0' } },
        }
      }
    },
  }
  return adapter
}

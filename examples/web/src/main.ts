import { type Effect, loadEffect } from '@fx/runtime-web'
import plain from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm?url'
import simd from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url'
import threaded from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-threaded-simd.wasm?url'
import { type Camera, startCamera } from './camera.js'
import { showFile, showSamples } from './gallery.js'
import { cameraProblem, loadProblem, showProblem } from './problems.js'

const element = <Type extends HTMLElement>(id: string): Type => document.querySelector<Type>(`#${id}`)!

/** `?bundle=URL` shows another bundle than the run's. */
const bundle = new URLSearchParams(location.search).get('bundle') ?? '/run/bundle/'
const samples = '/run/samples/'

const showFacts = (effect: Effect): void => {
  const { engine, threads, p50Ms } = effect.stats()
  const { input, card } = effect.manifest
  const facts = [
    `${input.width}x${input.height}`,
    `${engine}, ${threads} thread${threads === 1 ? '' : 's'}`,
    ...(p50Ms > 0 ? [`${p50Ms.toFixed(1)} ms a frame`] : []),
    `teacher: ${card.provenance.teacher}`,
    card.licence,
  ]
  const items = facts.map(fact => Object.assign(document.createElement('li'), { textContent: fact }))
  element('facts').replaceChildren(...items)
}

/** The held-out inputs that the run left, if it left any. */
const sampleUrls = async (): Promise<string[]> => {
  const response = await fetch(`${samples}index.json`)
  if (!response.ok) return []
  return ((await response.json()) as { input: string }[]).map(({ input }) => samples + input)
}

const wireCamera = (effect: Effect): void => {
  const button = element<HTMLButtonElement>('camera')
  const stage = element('stage')
  let camera: Camera | undefined
  const stopped = (): void => {
    camera = undefined
    stage.hidden = true
    button.textContent = 'Start camera'
  }
  button.addEventListener('click', async () => {
    if (camera !== undefined) {
      camera.stop()
      return
    }
    button.disabled = true
    showProblem(undefined)
    try {
      camera = await startCamera(effect, element('video'), element('live'), element('latency'))
      stage.hidden = false
      button.textContent = 'Stop camera'
      button.disabled = false
      await camera.done
    } catch (error) {
      showProblem(cameraProblem(error))
    } finally {
      button.disabled = false
      stopped()
    }
  })
}

const wireFile = (effect: Effect): void => {
  const input = element<HTMLInputElement>('file')
  input.addEventListener('change', async () => {
    const file = input.files?.[0]
    input.value = ''
    if (file === undefined) return
    try {
      await showFile(effect, element('gallery'), file)
      showProblem(undefined)
    } catch {
      showProblem(`${file.name} is not a picture that this browser can read.`)
    }
  })
}

const start = async (): Promise<void> => {
  let effect: Effect
  try {
    effect = await loadEffect(bundle, {
      wasmPaths: {
        'tfjs-backend-wasm.wasm': plain,
        'tfjs-backend-wasm-simd.wasm': simd,
        'tfjs-backend-wasm-threaded-simd.wasm': threaded,
      },
    })
  } catch (error) {
    element('name').textContent = 'No effect'
    showProblem(loadProblem(error))
    return
  }
  const { card } = effect.manifest
  document.title = card.name
  element('name').textContent = card.name
  element('description').textContent = card.description || effect.manifest.effect.prompt
  element('content').hidden = false
  showFacts(effect)
  wireCamera(effect)
  wireFile(effect)
  await showSamples(effect, element('gallery'), await sampleUrls())
  showFacts(effect)
}

await start()

import type { EffectBundleManifest } from '@fx/core'
import type { EngineName, EngineTrial } from '@fx/runtime-web'
import { element, make } from './element.js'
import type { EngineChoice } from './load.js'

/** Names for visitors. */
export const engineNames: Record<EngineName, string> = {
  webgpu: 'WebGPU',
  webgl: 'WebGL',
  wasm: 'WebAssembly',
  litert: 'LiteRT',
  cpu: 'plain JavaScript',
}

interface Finding {
  usable: boolean
  note: string
}

const software = /swiftshader|llvmpipe|software|basic render/i

const findWebgpu = async (): Promise<Finding> => {
  const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<{ info?: { [key: string]: unknown } } | null> } }
  if (gpu === undefined) return { usable: false, note: 'This browser does not have it, or not without HTTPS' }
  const adapter = await gpu.requestAdapter().catch(() => null)
  if (adapter === null) return { usable: false, note: 'There is no graphics adapter for it here' }
  const { architecture, device, description, isFallbackAdapter } = adapter.info ?? {}
  const slow = isFallbackAdapter === true || software.test(`${architecture} ${device} ${description}`)
  return { usable: true, note: slow ? 'Computed on the processor here: slow' : 'On the graphics processor' }
}

const findWebgl = (): Finding => {
  const gl = new OffscreenCanvas(1, 1).getContext('webgl2')
  if (gl === null) return { usable: false, note: 'This browser has no WebGL 2' }
  const info = gl.getExtension('WEBGL_debug_renderer_info')
  const renderer = String(gl.getParameter(info?.UNMASKED_RENDERER_WEBGL ?? gl.RENDERER))
  gl.getExtension('WEBGL_lose_context')?.loseContext()
  return {
    usable: true,
    note: software.test(renderer) ? 'Computed on the processor here: slow' : 'On the graphics processor',
  }
}

const threads = (): string =>
  globalThis.crossOriginIsolated
    ? 'On the processor, with threads'
    : 'On the processor, one thread: this page is not isolated'

const findLitert = ({ tflite }: EffectBundleManifest): Finding =>
  tflite === undefined
    ? { usable: false, note: 'This bundle has no TensorFlow Lite file' }
    : { usable: true, note: 'On the processor; fetches 9 MB first' }

const choices: readonly EngineChoice[] = ['auto', 'webgpu', 'webgl', 'wasm', 'litert']

/** The switch of engines: those that do not work here say why. */
export const createEngineSwitch = (onChoice: (engine: EngineChoice) => void) => {
  const gpu = Promise.all([findWebgpu(), findWebgl()])
  const rows = choices.map(engine => {
    const input = make('input', { type: 'radio', name: 'engine', value: engine, checked: engine === 'auto' })
    const note = make('small')
    const name = engine === 'auto' ? 'Automatic' : engineNames[engine]
    const row = make('label', { className: 'choice' }, input, make('span', {}, make('b', { textContent: name }), note))
    input.addEventListener('change', () => onChoice(engine))
    return { engine, input, note, row }
  })
  element('engines').append(...rows.map(({ row }) => row))
  /** Why engines failed, since the effect was chosen. */
  const failures = new Map<EngineChoice, string>()
  let latest = 0

  const findings = async (manifest: EffectBundleManifest): Promise<Partial<Record<EngineChoice, Finding>>> => {
    const [webgpu, webgl] = await gpu
    return { webgpu, webgl, wasm: { usable: true, note: threads() }, litert: findLitert(manifest) }
  }

  return {
    /** The engine that is chosen, as the switch shows it. */
    choose: (engine: EngineChoice): void => {
      for (const row of rows) row.input.checked = row.engine === engine
    },
    failed: (engine: EngineChoice, why: string): void => {
      failures.set(engine, why)
    },
    forgetFailures: (): void => failures.clear(),
    /** Says what can be chosen for an effect, and how the engines did that were tried. */
    show: async (
      manifest: EffectBundleManifest,
      chosen: EngineChoice,
      running: EngineName,
      tried: readonly EngineTrial[],
    ): Promise<void> => {
      const mine = ++latest
      const found = await findings(manifest)
      if (mine !== latest) return
      for (const { engine, input, note, row } of rows) {
        const failure = failures.get(engine)
        const { usable, note: words } = found[engine] ?? {
          usable: true,
          note:
            chosen === 'auto'
              ? `${engineNames[running]}, the fastest here but for LiteRT, which is not tried`
              : 'Tries all but LiteRT and keeps the fastest',
        }
        const ms = tried.find(trial => trial.engine === engine)?.p50Ms
        input.disabled = !usable
        row.classList.toggle('unusable', !usable)
        note.textContent = failure ?? (ms === undefined ? words : `${words}, ${ms.toFixed(1)} ms when it was tried`)
      }
    },
  }
}

import type { Effect, PlayerState } from '@fx/runtime-web'
import { showAbout } from './about.js'
import { createCards } from './cards.js'
import { type Choice, ownChoices, runChoice } from './choices.js'
import { announce, element } from './element.js'
import { createEngineSwitch, engineNames } from './engines.js'
import { createRate, markFirstFrame, showFigures } from './figures.js'
import { canRecord, saveSnapshot, startRecording } from './keep.js'
import { type EngineChoice, load } from './load.js'
import { keepOffline } from './offline.js'
import { showParameters } from './parameters.js'
import type { createPlot } from './plot.js'
import { cameraProblem, loadProblem, playProblem, showProblem } from './problems.js'
import { createSourceBar, type SourceKind } from './source-bar.js'
import { openCameraSource, openPicture, openSample, type Source } from './sources.js'
import { createStage } from './stage.js'

/** What the page shows, or is asked to. */
interface Wish {
  choice: Choice
  engine: EngineChoice
  source: SourceKind
  file?: File | undefined
}

/** What it shows. */
interface Scene extends Wish {
  effects: readonly Effect[]
  opened: Source
}

let scene: Scene | undefined
let wish: Wish | undefined
let changing = new AbortController()
let plot: Awaited<ReturnType<typeof createPlot>> | undefined
const rates = [createRate(), createRate()]

const notice = (text: string | undefined): void => {
  element('notice').hidden = text === undefined
  element('notice').textContent = text ?? ''
}

const onState = (state: PlayerState): void => {
  switch (state.reason) {
    case 'camera-lost':
      notice('The camera was lost. It goes on by itself when it is back.')
      break
    case 'camera-returned':
      notice(undefined)
      break
    case 'engine-changed':
      notice(state.message)
      break
    case 'error':
      stage.forget()
      if (scene !== undefined) scene = { ...scene, effects: dispose(scene.effects) }
      showProblem(playProblem(state.error))
  }
}

const stage = createStage({
  onFrame: (view, totalMs) => {
    markFirstFrame()
    rates[view]!.add()
    plot?.add(view, totalMs)
  },
  onState,
})
const cards = createCards(choice => void change({ choice }))
const engines = createEngineSwitch(engine => void change({ engine }))
const sources = createSourceBar((source, file) => void change({ source, file }))

const dispose = (effects: readonly Effect[]): Effect[] => {
  for (const effect of effects) effect.dispose()
  return []
}

/** All bundles of a choice, or none. */
const loadAll = async ({ choice, engine }: Wish, signal: AbortSignal): Promise<Effect[]> => {
  const results = await Promise.allSettled(choice.views.map(({ url }) => load(url, engine, signal)))
  const effects = results.flatMap(result => (result.status === 'fulfilled' ? result.value : []))
  const failed = results.find(result => result.status === 'rejected')
  if (failed === undefined && !signal.aborted) return effects
  dispose(effects)
  throw failed?.reason ?? signal.reason
}

const sourceFor = async ({ choice, source, file }: Wish, signal: AbortSignal): Promise<Source> => {
  const known = scene?.opened.kind === source ? scene : undefined
  switch (source) {
    case 'sample':
      return known?.choice.sample === choice.sample ? known.opened : openSample(choice.sample, signal)
    case 'camera':
      return known?.opened ?? openCameraSource(signal)
    case 'picture':
      return known?.file === file ? known!.opened : openPicture(file!)
  }
}

/** Says why a wish was not granted. */
const explain = (error: unknown, { choice, engine, source, file }: Wish, loaded: boolean): void => {
  if (!loaded) {
    if (engine !== 'auto') engines.failed(engine, 'It did not work here')
    showProblem(loadProblem(error, choice.name))
  } else if (source === 'camera') showProblem(cameraProblem(error))
  else if (source === 'picture') showProblem(`${file?.name} is not a picture that this browser can read.`)
  else showProblem(error instanceof Error ? error.message : String(error))
}

/** Sets every control to what is shown. */
const showScene = ({ choice, engine, effects, opened }: Scene): void => {
  cards.choose(choice.id)
  engines.choose(engine)
  sources.show(opened)
  const { engine: running, tried } = effects[0]?.stats() ?? {}
  if (running !== undefined) void engines.show(effects[0]!.manifest, engine, running, tried!)
  element('record').hidden = !canRecord() || choice.views.length > 1 || opened.kind === 'picture'
  const place = new URL(location.href)
  place.searchParams.set('effect', choice.id)
  history.replaceState(undefined, '', place)
}

/** Changes what is shown; what was shown stays until the new is there, or for good where that fails. */
const change = async (asked: Partial<Wish>): Promise<void> => {
  changing.abort()
  changing = new AbortController()
  const { signal } = changing
  const mine = { ...wish!, ...asked }
  wish = mine
  const before = scene
  const { choice, engine } = mine
  element('views').setAttribute('aria-busy', 'true')
  announce(`Loading ${choice.name}`)
  if (choice !== before?.choice) engines.forgetFailures()
  const keeps = before?.choice === choice && before.engine === engine && before.effects.length > 0
  let effects: readonly Effect[] | undefined
  let opened: Source | undefined
  // The first time nothing is shown that a new source could disturb, so both can be fetched at once.
  const early = before === undefined ? sourceFor(mine, signal) : undefined
  early?.catch(() => {})
  try {
    effects = keeps ? before.effects : await loadAll(mine, signal)
    opened = await (early ?? sourceFor(mine, signal))
    signal.throwIfAborted()
    notice(undefined)
    scene = { ...mine, effects, opened }
    plot?.lines(choice.views.map(({ caption }) => caption))
    if (effects !== before?.effects) showParameters(effects, stage)
    const shown = effects.map((effect, i) => ({ effect, caption: choice.views[i]!.caption }))
    await stage.show(shown, opened)
    if (before !== undefined && effects !== before.effects) dispose(before.effects)
    if (opened !== before?.opened) before?.opened.close()
    if (signal.aborted || scene.effects !== effects) return
    showProblem(undefined)
    showScene(scene)
    showAbout(effects)
    announce(`${choice.name} runs on ${engineNames[effects[0]!.stats().engine]}`)
  } catch (error) {
    if (effects !== undefined && effects !== before?.effects) dispose(effects)
    opened ??= await early?.catch(() => undefined)
    if (opened !== undefined && opened !== before?.opened) opened.close()
    if (signal.aborted) return
    explain(error, mine, effects !== undefined)
    if (before !== undefined) {
      wish = before
      showScene(before)
    }
  } finally {
    if (changing.signal === signal) element('views').removeAttribute('aria-busy')
  }
}

const wireButtons = (): void => {
  const compare = element<HTMLInputElement>('compare')
  compare.addEventListener('change', () => stage.compare(compare.checked))
  stage.compare(compare.checked)
  element('snapshot').addEventListener('click', () => void saveSnapshot(stage.canvases(), scene?.choice.id ?? 'fx'))
  const record = element('record')
  let recording: ReturnType<typeof startRecording> | undefined
  record.addEventListener('click', async () => {
    if (recording !== undefined) {
      recording.stop()
      return
    }
    const [playing] = stage.playing()
    if (playing === undefined) return
    recording = startRecording(playing.player, scene?.choice.id ?? 'fx')
    record.textContent = 'Stop and save'
    record.setAttribute('aria-pressed', 'true')
    await recording.done
    recording = undefined
    record.textContent = 'Record'
    record.setAttribute('aria-pressed', 'false')
  })
}

const start = async (): Promise<void> => {
  wireButtons()
  const choices = ownChoices()
  const asked = new URLSearchParams(location.search).get('effect')
  const run = runChoice()
  if (asked === 'run') choices.push(...[await run].flatMap(found => found ?? []))
  for (const choice of choices) cards.add(choice)
  const choice = choices.find(({ id }) => id === asked) ?? choices[0]
  if (choice === undefined) {
    showProblem('There is no effect here yet. Run npm run effects in examples/web.')
    return
  }
  wish = { choice, engine: 'auto', source: 'sample' }
  stage.poster(choice.pictures[0])
  cards.choose(choice.id)
  await change({})

  // What the first frame need not wait for.
  const later = await run
  if (later !== undefined && choices.every(({ id }) => id !== later.id)) cards.add(later)
  const { createPlot } = await import('./plot.js')
  plot = await createPlot()
  plot.lines(scene?.choice.views.map(({ caption }) => caption) ?? [])
  setInterval(() => {
    if (document.visibilityState === 'visible')
      showFigures(stage.playing().map((playing, i) => ({ ...playing, rate: rates[i]!.count() })))
  }, 500)
  await keepOffline()
}

await start()

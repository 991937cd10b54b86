import { createElement, StrictMode, version } from 'react'
import { createRoot } from 'react-dom/client'
import { type FxEffect, type ShowState, type UseFxEffectOptions, useFxEffect } from '../../src/react/index.js'

/** Calls of getUserMedia, and its tracks. */
let asked = 0
const tracks: MediaStreamTrack[] = []
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices)
let refused = false
navigator.mediaDevices.getUserMedia = async constraints => {
  asked++
  if (refused) throw new DOMException('no', 'NotAllowedError')
  const stream = await open(constraints)
  tracks.push(...stream.getVideoTracks())
  return stream
}

let hook: FxEffect
let frames = 0
const View = (options: Partial<UseFxEffectOptions>) => {
  hook = useFxEffect({
    src: '/bundles/whole/',
    source: 'camera',
    engine: 'wasm',
    threads: 1,
    wasmPaths: '/wasm/',
    onFrame: () => frames++,
    ...options,
  })
  return createElement('canvas', { ref: hook.ref })
}

const root = createRoot(document.body.appendChild(document.createElement('div')))

/** What the tests of the hook call. Everything that crosses is plain JSON. */
const tools = {
  version,
  render: (options: Partial<UseFxEffectOptions>): void =>
    root.render(createElement(StrictMode, null, createElement(View, options))),
  unmount: (): void => root.render(null),
  state: (): ShowState['reason'] => hook.state.reason,
  stats: () => hook.stats(),
  set: (parameters: Record<string, number>): void => hook.set(parameters),
  retry: (): void => hook.retry(),
  refuse: (yes: boolean): void => {
    refused = yes
  },
  cameras: () => ({ asked, live: tracks.filter(({ readyState }) => readyState === 'live').length }),
  frames: (): number => frames,
  /** Of the left and of the right half. */
  greys: (): number[] => {
    const context = new OffscreenCanvas(4, 1).getContext('2d')!
    context.drawImage(document.querySelector('canvas')!, 0, 0, 4, 1)
    const { data } = context.getImageData(0, 0, 4, 1)
    return [data[0]!, data[12]!]
  },
}

export type ReactHarness = typeof tools

Object.assign(globalThis, { harness: tools })

import * as camera from './camera.js'
import * as looks from './looks.js'
import * as running from './running.js'
import * as sources from './sources.js'

/** What the player's tests call. Everything that crosses is plain JSON. */
const harness = { ...sources, ...looks, ...camera, ...running }

export type Harness = typeof harness

Object.assign(globalThis, { harness })

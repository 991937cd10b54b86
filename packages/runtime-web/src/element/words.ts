/** What `<fx-effect>` says, in English. `element.words` puts others in their place. */
export const english = {
  start: 'Start',
  startCamera: 'Turn on the camera',
  stop: 'Stop',
  retry: 'Try again',
  reload: 'Reload the page',
  compare: 'Compare',
  /** The slider between the picture before, on its left, and after. */
  split: 'Before and after',
  /** The picture, until the effect's name is known. */
  picture: 'Picture with an effect',

  'starting camera': 'Waiting for the camera. Your browser may ask you to allow it.',
  'starting effect': 'Loading the effect…',
  ended: 'The video has ended.',

  'camera-lost': 'The camera was disconnected. Connect it again to go on.',
  'camera-returned': 'The camera is back.',
  'no-face': 'No face in the picture. Move into view.',
  'engine-changed': 'The effect went on in another way, and may be slower.',
  'quality-lowered': 'This device is busy: the picture is simpler for now.',
  'quality-restored': 'The picture is at its best again.',

  'camera-refused': 'The camera is blocked for this page. Allow it in the browser’s address bar, then try again.',
  'camera-missing': 'No camera was found. Connect one, then try again.',
  'camera-in-use': 'The camera is in use by another program. Close it, then try again.',
  'camera-insecure': 'Browsers give the camera only to secure pages, whose address begins with https.',
  source: 'The video or picture cannot be shown.',
  offline: 'The effect could not be loaded. Check your connection, then try again.',
  'effect-missing': 'The effect is not there any more.',
  'effect-damaged': 'The effect did not arrive whole. Try again in a moment.',
  'effect-newer': 'The effect is newer than this page. Reload the page to use it.',
  browser: 'This browser cannot run the effect. A current version of it, or another browser, may.',
  other: 'The effect cannot be shown.',
}

export type Words = typeof english

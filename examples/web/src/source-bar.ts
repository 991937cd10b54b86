import type { Camera } from '@fx/runtime-web'
import { element, make } from './element.js'
import { cameraProblem, showProblem } from './problems.js'
import type { Source } from './sources.js'

export type SourceKind = Source['kind']

const kinds: readonly SourceKind[] = ['sample', 'camera', 'picture']
const video = element<HTMLVideoElement>('video')

/** Lets a visitor with several cameras choose. */
const showCameras = async (camera: Camera | undefined): Promise<void> => {
  const label = element('cameras')
  const select = label.querySelector('select')!
  const devices = camera === undefined ? [] : await camera.devices()
  label.hidden = devices.length < 2
  select.replaceChildren(
    ...devices.map(({ deviceId, label }) => make('option', { value: deviceId, textContent: label })),
  )
  select.value = camera?.track.getSettings().deviceId ?? ''
  select.onchange = () => void camera?.switchTo(select.value).catch(error => showProblem(cameraProblem(error)))
}

/** The buttons by which a source is chosen, and the sample paused. */
export const createSourceBar = (onChoice: (kind: SourceKind, file?: File) => void) => {
  const file = element<HTMLInputElement>('file')
  const views = element('views')
  const pause = element<HTMLButtonElement>('pause')
  element('sample').addEventListener('click', () => onChoice('sample'))
  element('camera').addEventListener('click', () => onChoice('camera'))
  element('picture').addEventListener('click', () => file.click())
  const take = (files: FileList | null | undefined): void => {
    const first = files?.[0]
    if (first !== undefined) onChoice('picture', first)
  }
  file.addEventListener('change', () => {
    take(file.files)
    file.value = ''
  })
  views.addEventListener('dragover', event => event.preventDefault())
  views.addEventListener('drop', event => {
    event.preventDefault()
    take(event.dataTransfer?.files)
  })

  const showPaused = (): void => {
    pause.textContent = video.paused ? 'Play' : 'Pause'
  }
  video.addEventListener('play', showPaused)
  video.addEventListener('pause', showPaused)
  showPaused()
  pause.addEventListener('click', () => {
    if (video.paused) void video.play()
    else video.pause()
  })

  return {
    show: ({ kind, camera }: Source): void => {
      for (const each of kinds) element(each).setAttribute('aria-pressed', String(each === kind))
      pause.hidden = kind !== 'sample'
      void showCameras(camera)
    },
  }
}

import { element } from './element.js'

/** An effect of the page, as public/effects/index.json lists it. */
export interface EffectEntry {
  id: string
  name: string
  description: string
  /** Which sample video it is made for. */
  sample: SampleName
  teacher: string
  licence: string
  /** Hash of the student's spec: students of one spec differ in nothing but what they were taught. */
  studentSpecHash: string
  /** Of the bundle. */
  url: string
  /** Of its card. */
  picture: string
}

export type SampleName = 'scene' | 'portraits'

/** What can be chosen: one effect, or two beside each other. */
export interface Choice {
  id: string
  name: string
  /** A few words below the name. */
  note: string
  sample: SampleName
  /** Of its card, one or two. */
  pictures: readonly string[]
  /** The bundles, and what each is called beside another. */
  views: readonly { url: string; caption: string }[]
}

const single = ({ id, name, teacher, sample, picture, url }: EffectEntry): Choice => ({
  id,
  name,
  note: `Teacher: ${teacher}`,
  sample,
  pictures: [picture],
  views: [{ url, caption: name }],
})

/** The first two effects that one student spec has learned from two teachers. */
const sideBySide = (entries: readonly EffectEntry[]): Choice[] => {
  for (const one of entries) {
    const other = entries.find(entry => entry !== one && entry.studentSpecHash === one.studentSpecHash)
    if (other === undefined) continue
    const caption = ({ teacher }: EffectEntry): string => `${teacher}'s student`
    return [
      {
        id: 'side-by-side',
        name: 'Side by side',
        note: `${one.teacher} or ${other.teacher}? The same student`,
        sample: one.sample,
        pictures: [one.picture, other.picture],
        views: [one, other].map(entry => ({ url: entry.url, caption: caption(entry) })),
      },
    ]
  }
  return []
}

const bundleAt = (id: string, name: string, note: string, url: string, pictures: readonly string[] = []): Choice => ({
  id,
  name,
  note,
  sample: 'portraits',
  pictures,
  views: [{ url, caption: name }],
})

/** The effects that came with the page, and one that `?bundle=URL` asks for. */
export const ownChoices = (): Choice[] => {
  const entries = JSON.parse(element('effects-list').textContent!) as EffectEntry[]
  const asked = new URLSearchParams(location.search).get('bundle')
  return [
    ...(asked === null ? [] : [bundleAt('bundle', 'Bundle of the address', asked, asked)]),
    ...entries.map(single),
    ...sideBySide(entries),
  ]
}

/** What plugins/serve-run.ts tells of the run. */
export interface RunIndex {
  finished: boolean
  /** A sample of its student's, relative to the run. */
  picture?: string
}

/** The newest run of `npm start`, if there is one and a server that shows it. */
export const runChoice = async (): Promise<Choice | undefined> => {
  try {
    const { finished, picture } = (await (await fetch('/run/index.json')).json()) as RunIndex
    const pictures = picture === undefined ? [] : [`/run/${picture}`]
    return finished ? bundleAt('run', 'Your run', 'Distilled by npm start', '/run/bundle/', pictures) : undefined
  } catch {
    return undefined
  }
}

import { FxError } from '@fx/core'
import type { GoogleGenAI } from '@google/genai'
import type { HostedOptions } from './options.js'

type Sdk = typeof import('@google/genai')

export interface Client {
  sdk: Sdk
  models: GoogleGenAI['models']
  /** Key, header values, and tokens that were seen on the way out: nothing of it may be shown. */
  secrets: Set<string>
}

interface SignIn {
  vertexai: boolean
  apiKey?: string
  project?: string
  location?: string
}

const environment = (): Record<string, string | undefined> =>
  (globalThis as { process?: { env: Record<string, string | undefined> } }).process?.env ?? {}

/**
 * Who asks: what the options say, else what the environment says.
 *
 * @throws FxError `invalid-argument` that names the variables.
 */
const signIn = (what: string, { api, apiKey, vertex }: HostedOptions): SignIn => {
  const env = environment()
  if (api !== 'vertex-predict' && !vertex) {
    const key = apiKey || env.GOOGLE_API_KEY || env.GEMINI_API_KEY
    if (key) return { vertexai: false, apiKey: key }
    throw new FxError(
      'invalid-argument',
      `${what}: no API key: set GEMINI_API_KEY or GOOGLE_API_KEY, or give apiKey (or vertex, to sign in to Vertex AI)`,
    )
  }
  const named = typeof vertex === 'object' ? vertex : {}
  if (apiKey && (named.project || named.location)) {
    throw new FxError('invalid-argument', `${what}: give apiKey or vertex with project and location, not both`)
  }
  if (apiKey) return { vertexai: true, apiKey }
  const project = named.project || env.GOOGLE_CLOUD_PROJECT
  const location = named.location || env.GOOGLE_CLOUD_LOCATION
  if (project && location) return { vertexai: true, project, location }
  if (!project && env.GOOGLE_API_KEY) return { vertexai: true, apiKey: env.GOOGLE_API_KEY }
  throw new FxError(
    'invalid-argument',
    `${what}: Vertex AI needs a project and a location: set GOOGLE_CLOUD_PROJECT and GOOGLE_CLOUD_LOCATION (and sign in with Application Default Credentials: gcloud auth application-default login, or GOOGLE_APPLICATION_CREDENTIALS), give vertex: { project, location }, or give apiKey or GOOGLE_API_KEY for express mode`,
  )
}

/** A header's value, and the words of it: `Bearer abc` may turn up as `abc`. */
export const addSecret = (secrets: Set<string>, value: string): void => {
  for (const word of [value, ...value.split(/\s+/)]) if (word.length > 3 && word !== 'Bearer') secrets.add(word)
}

/**
 * The official SDK, imported when the first request is due: a run that finds everything in its cache needs neither the
 * package nor a key.
 *
 * @throws FxError `missing-package`, `invalid-argument` without a key.
 */
export const openClient = async (what: string, options: HostedOptions): Promise<Client> => {
  const { baseUrl, headers = {} } = options
  const identity = signIn(what, options)
  const secrets = new Set<string>()
  for (const value of [identity.apiKey ?? '', ...Object.values(headers)]) addSecret(secrets, value)
  const sdk = await import('@google/genai').catch(cause => {
    throw new FxError('missing-package', 'The hosted Imagen teacher needs a package: npm install @google/genai', {
      cause,
    })
  })
  const client = new sdk.GoogleGenAI({
    ...identity,
    httpOptions: { ...(baseUrl && { baseUrl }), headers: { ...headers } },
  })
  return { sdk, models: client.models, secrets }
}

import { once } from 'node:events'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, test, vi } from 'vitest'
import { temporaryFolder } from '../../../test/folder.js'
import { cut, edited, failure, hostedServer, type Reply } from '../../../test/hosted-server.js'
import { effect, hostedTeacher } from '../../../test/hosted-teacher.js'
import type { HostedImagenTeacherOptions } from '../../imagen-hosted.js'

const size = 16
const server = hostedServer()
const { teacherOf, attempt } = hostedTeacher(server, size)
const at = temporaryFolder()

const KEY = 'SENTINEL-key-5f2c'
const HEADER = 'SENTINEL-header-91ab'
const TOKEN = 'SENTINEL-token-77de'

const filesIn = async (folder: string): Promise<string> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter(entry => entry.isFile())
  return (await Promise.all(files.map(({ parentPath, name }) => readFile(join(parentPath, name), 'utf8')))).join()
}

/** Everything that a value shows of itself: hidden members, causes, stacks. */
const shown = (value: unknown): string =>
  inspect(value, { depth: 20, showHidden: true, getters: true, maxStringLength: null, maxArrayLength: null })

/** A service that gives away what it was sent, as some gateways do in their errors. */
const telltale =
  (status: number): Reply =>
  (request, response) =>
    failure(status, `No access for ${JSON.stringify(request.headers)} at ${request.path}`)(request, response)

describe('no key, header or token is shown or stored', () => {
  test.each([
    ['an edit', edited],
    ['400', telltale(400)],
    ['401', telltale(401)],
    ['403', telltale(403)],
    ['404', telltale(404)],
    ['429', telltale(429)],
    ['500', telltale(500)],
    ['a cut connection', cut],
  ] as const)('%s', async (_, reply) => {
    server.reply = reply
    const said: unknown[][] = []
    for (const level of ['log', 'info', 'warn', 'error', 'debug'] as const) {
      vi.spyOn(console, level).mockImplementation((...words) => said.push(words))
    }
    for (const api of ['gemini', 'vertex-predict'] as const) {
      const headers = { 'x-gateway-token': HEADER, authorization: `Bearer ${TOKEN}` }
      const options = { api, apiKey: KEY, headers, cache: at(), config: { seed: api.length } }
      const result = await attempt(options, { seeds: [0, 1] })
      expect(server.requests.at(-1)!.headers).toMatchObject({ 'x-goog-api-key': KEY, 'x-gateway-token': HEADER })
      expect(result.pairs.length + result.skipped.length > 0 || result.error !== undefined).toBe(true)
      expect(shown(result)).not.toContain('SENTINEL')
      expect(JSON.stringify([result.error])).not.toContain('SENTINEL')
      expect(shown(teacherOf(options))).not.toContain('SENTINEL')
    }
    expect(await filesIn(at())).not.toContain('SENTINEL')
    expect(shown(said)).not.toContain('SENTINEL')
  })

  test('a wrong address with a password in it', () => {
    for (const baseUrl of [`http://user:${KEY}@localhost`, `http://localhost/?key=${KEY}`, KEY]) {
      expect(() => teacherOf({ baseUrl })).toThrow(/baseUrl must be/)
      try {
        teacherOf({ baseUrl })
      } catch (error) {
        expect(shown(error)).not.toContain('SENTINEL')
      }
    }
  })
})

describe('signing in', () => {
  const without = { apiKey: undefined } as Partial<HostedImagenTeacherOptions>

  test('without a key the error names the variables, and nothing is sent', async () => {
    const gemini = await attempt(without)
    expect(gemini.error).toMatchObject({
      code: 'invalid-argument',
      message: expect.stringMatching(/no API key.*GEMINI_API_KEY.*GOOGLE_API_KEY.*apiKey/),
    })
    for (const options of [{ vertex: true }, { api: 'vertex-predict' }] as const) {
      const { error } = await attempt({ ...without, ...options })
      expect(error).toMatchObject({
        code: 'invalid-argument',
        message: expect.stringMatching(
          /GOOGLE_CLOUD_PROJECT.*GOOGLE_CLOUD_LOCATION.*Application Default Credentials.*GOOGLE_API_KEY/,
        ),
      })
    }
    expect(server.requests).toEqual([])
    const { error } = await attempt({ apiKey: 'k', vertex: { project: 'p', location: 'l' } })
    expect(error).toMatchObject({ message: expect.stringMatching(/apiKey or vertex.*not both/) })
  })

  test.each([
    ['GEMINI_API_KEY', {}],
    ['GOOGLE_API_KEY', {}],
    ['GOOGLE_API_KEY', { vertex: true }],
    ['GOOGLE_API_KEY', { api: 'vertex-predict' }],
  ] as const)('%s of the environment is read', async (name, options) => {
    vi.stubEnv(name, 'from-the-environment')
    const { error, pairs } = await attempt({ ...without, ...options })
    expect(error).toBeUndefined()
    expect(pairs).toHaveLength(1)
    expect(server.requests[0]!.headers['x-goog-api-key']).toBe('from-the-environment')
  })

  test('Application Default Credentials, on the paths of project and location', async () => {
    const identity = createServer((_, response) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(
        JSON.stringify({
          access_token: TOKEN,
          issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
          token_type: 'Bearer',
          expires_in: 3600,
        }),
      ),
    )
    identity.listen(0, '127.0.0.1')
    await once(identity, 'listening')
    try {
      await writeFile(at('subject'), 'SENTINEL-subject')
      await writeFile(
        at('credentials.json'),
        JSON.stringify({
          type: 'external_account',
          audience: 'test',
          subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
          token_url: `http://127.0.0.1:${(identity.address() as AddressInfo).port}/token`,
          credential_source: { file: at('subject') },
        }),
      )
      vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', at('credentials.json'))
      vi.stubEnv('GOOGLE_CLOUD_PROJECT', 'a-project')
      const options = {
        ...without,
        api: 'vertex-predict',
        model: 'imagen-x',
        vertex: { location: 'europe-west4' },
      } as const
      const good = await attempt(options)
      expect(good.error).toBeUndefined()
      const [request] = server.requests
      expect(request!.path).toBe(
        '/v1beta1/projects/a-project/locations/europe-west4/publishers/google/models/imagen-x:predict',
      )
      expect(request!.headers.authorization).toBe(`Bearer ${TOKEN}`)
      server.reply = telltale(403)
      const bad = await attempt({ ...options, cache: at('cache') })
      expect(bad.error).toMatchObject({ code: 'service-failed', details: { status: 403 } })
      expect(shown([good, bad])).not.toContain('SENTINEL')
    } finally {
      identity.close()
    }
  })

  test('without any credentials the reason is told, and nothing is recorded', async () => {
    vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', at('none.json'))
    const { error, skipped } = await attempt({ ...without, vertex: { project: 'p', location: 'l' } })
    expect(error).toMatchObject({
      code: 'service-failed',
      message: expect.stringMatching(/cannot be made: .*none\.json/),
    })
    expect(skipped).toEqual([])
    expect(server.requests).toEqual([])
  })
})

test('the key is asked for when the first request is due, not before', async () => {
  const cache = new Map()
  await attempt({ cache })
  const { error, pairs } = await attempt({ cache, apiKey: '' })
  expect(error).toBeUndefined()
  expect(pairs).toHaveLength(1)
  const teacher = teacherOf({ cache, apiKey: '' })
  await expect(
    teacher
      .pairs({ effect, size, seeds: [1] })
      [Symbol.asyncIterator]()
      .next(),
  ).rejects.toMatchObject({
    message: expect.stringMatching(/no API key/),
  })
})

/** What is wrong with a value at a path, in one sentence; undefined when it is as it must be. */
export type Shape = (value: unknown, path: string) => string | undefined

const complaint = (path: string, what: string): string => `${path === '' ? 'it' : path} ${what}`

const kindOf = (value: unknown): string =>
  value === null ? 'null' : Array.isArray(value) ? 'an array' : value === undefined ? 'missing' : `a ${typeof value}`

const wrong = (path: string, wanted: string, value: unknown): string =>
  complaint(path, `must be ${wanted}, but is ${kindOf(value)}`)

/** The first complaint of many checks. */
const first = <T>(items: Iterable<T>, check: (item: T) => string | undefined): string | undefined => {
  for (const item of items) {
    const found = check(item)
    if (found !== undefined) return found
  }
  return undefined
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const at = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`)

/** An object with these members, and with others unless it is `strict`. */
export const object =
  (members: Readonly<Record<string, Shape>>, { strict = false } = {}): Shape =>
  (value, path) => {
    if (!isRecord(value)) return wrong(path, 'an object', value)
    const stranger = strict ? Object.keys(value).find(name => !Object.hasOwn(members, name)) : undefined
    if (stranger !== undefined) return complaint(path, `has an unknown member '${stranger}'`)
    return first(Object.entries(members), ([name, shape]) => shape(value[name], at(path, name)))
  }

/** An object whose members, whatever their names, all have one shape. */
export const record =
  (shape: Shape): Shape =>
  (value, path) =>
    isRecord(value)
      ? first(Object.entries(value), ([name, member]) => shape(member, at(path, name)))
      : wrong(path, 'an object', value)

/** An array of one shape, of any length or of `length`. */
export const list =
  (shape: Shape, length?: number): Shape =>
  (value, path) => {
    if (!Array.isArray(value) || (length !== undefined && value.length !== length)) {
      return wrong(path, length === undefined ? 'an array' : `an array of ${length}`, value)
    }
    return first(value.entries(), ([i, item]) => shape(item, `${path}[${i}]`))
  }

export const optional =
  (shape: Shape): Shape =>
  (value, path) =>
    value === undefined ? undefined : shape(value, path)

/** A string; with `pattern` one that fits, else the complaint is `what`. */
export const text =
  (pattern?: RegExp, what = ''): Shape =>
  (value, path) => {
    if (typeof value !== 'string') return wrong(path, 'a string', value)
    return pattern === undefined || pattern.test(value) ? undefined : complaint(path, `is '${value}', ${what}`)
  }

/** A finite number that `fits`; `what` says which do. */
export const number =
  (what = 'a number', fits: (value: number) => boolean = () => true): Shape =>
  (value, path) => {
    if (typeof value !== 'number' || !Number.isFinite(value)) return wrong(path, what, value)
    return fits(value) ? undefined : complaint(path, `must be ${what}, but is ${value}`)
  }

/** One of these values. */
export const oneOf =
  (...values: readonly (string | number)[]): Shape =>
  (value, path) =>
    values.includes(value as string) ? undefined : complaint(path, `must be ${values.join(' or ')}, but is ${value}`)

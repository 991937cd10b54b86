/**
 * The first key that an object of well-formed JSON text has twice, at any depth; JSON.parse keeps the last silently, and
 * another reader might keep the first.
 */
export const duplicateKey = (json: string): string | undefined => {
  const open: (Set<string> | undefined)[] = []
  const token = /"([^"\\]*(?:\\.[^"\\]*)*)"(\s*:)?|[{}[\]]/g
  for (const [text, string, colon] of json.matchAll(token)) {
    if (text === '{') open.push(new Set())
    else if (text === '[') open.push(undefined)
    else if (text === '}' || text === ']') open.pop()
    else if (colon !== undefined) {
      const keys = open.at(-1)!
      const key = JSON.parse(`"${string}"`) as string
      if (keys.has(key)) return key
      keys.add(key)
    }
  }
  return undefined
}

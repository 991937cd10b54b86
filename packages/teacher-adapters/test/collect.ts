import type { TeacherPair } from '../src/index.js'

export const collect = async (pairs: AsyncIterable<TeacherPair>): Promise<TeacherPair[]> => {
  const all: TeacherPair[] = []
  for await (const pair of pairs) all.push(pair)
  return all
}

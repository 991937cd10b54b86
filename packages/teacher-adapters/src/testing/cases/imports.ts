import { type ConformanceCase, check, onceEach } from '../case.js'
import { readImports, STUDENTS } from '../import-graph.js'

/** Several adapters may come from one entry. */
const importsOf = onceEach(key => readImports(JSON.parse(key)))

export const importsNoStudent: ConformanceCase = {
  number: 'T30',
  name: `imports no student: none of ${STUDENTS.join(', ')}`,
  async run({ options: { entry, conditions, from } }) {
    const { student, unresolved } = await importsOf(JSON.stringify({ entry, conditions, from }))
    check(!student, () => `imports a student: ${student!.join(' -> ')}`)
    check(
      unresolved.length === 0,
      () =>
        `imports what cannot be resolved, and so not searched: ${unresolved.map(({ specifier, importer }) => `${specifier} (in ${importer})`).join(', ')} (see entry and conditions)`,
    )
  },
}

import { library } from '../../tsup.base.js'

export default library({
  entry: { index: 'src/index.ts', 'cli/main': 'src/cli/main.ts', report: 'src/report.ts' },
  shims: true,
})

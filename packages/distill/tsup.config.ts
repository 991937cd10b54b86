import { library } from '../../tsup.base.js'

export default library({ entry: { index: 'src/index.ts', 'cli/main': 'src/cli/main.ts' }, shims: true })

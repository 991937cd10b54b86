import { library } from '../../tsup.base.js'

export default library({ entry: ['src/index.ts', 'src/weights.ts', 'src/weights-node.ts'], shims: true })

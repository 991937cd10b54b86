import { library } from '../../tsup.base.js'

// The weights' addresses are relative to the module, in CommonJS as well.
export default library({ entry: ['src/stylegan2.ts'], shims: true })

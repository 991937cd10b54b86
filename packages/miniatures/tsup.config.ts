import { library } from '../../tsup.base.js'

// The weights' addresses are relative to the module, in CommonJS as well.
export default library({ entry: ['src/captions.ts', 'src/imagen.ts', 'src/stylegan2.ts'], shims: true })

import { library } from '../../tsup.base.js'

export default library({
  entry: ['src/index.ts', 'src/adversarial.ts', 'src/metrics.ts', 'src/perceptual.ts', 'src/perceptual-face.ts'],
  shims: true,
})

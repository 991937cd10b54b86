import { library } from '../../tsup.base.js'

export default library({
  entry: [
    'src/index.ts',
    'src/portraits.ts',
    'src/procedural.ts',
    'src/recorded.ts',
    'src/shards.ts',
    'src/stylegan2.ts',
    'src/stylegan2-training.ts',
    'src/imagen.ts',
    'src/imagen-hosted.ts',
    'src/imagen-training.ts',
    'src/testing.ts',
  ],
})

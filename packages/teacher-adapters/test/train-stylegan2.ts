// Trains a tiny StyleGAN2 in a folder and is killed on the way, without a chance to tidy up.
import { trainStylegan2 } from '../src/stylegan2-training.js'
import { tinyTraining } from './discs.js'

const [folder, backend, images] = process.argv.slice(2)
await trainStylegan2(tinyTraining(folder!, backend as 'cpu' | 'wasm'), {
  onProgress: event => {
    if (event.type === 'progress' && event.done >= Number(images)) process.kill(process.pid, 'SIGKILL')
  },
})

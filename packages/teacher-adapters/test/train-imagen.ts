// Trains a tiny diffusion stage in a folder and is killed on the way, without a chance to tidy up.
import { trainImagen } from '../src/imagen-training.js'
import { tinyEnlarging, tinyImagenTraining } from './tiny-imagen.js'

const [folder, backend, images, stage] = process.argv.slice(2)
const change = stage === 'super-resolution' ? tinyEnlarging : {}
await trainImagen(tinyImagenTraining(folder!, backend as 'cpu' | 'wasm', change), {
  onProgress: event => {
    if (event.type === 'progress' && event.done >= Number(images)) process.kill(process.pid, 'SIGKILL')
  },
})

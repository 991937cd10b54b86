import { library } from '../../tsup.base.js'

export default library({
  entry: {
    index: 'src/index.ts',
    worker: 'src/worker.ts',
    'face-mesh': 'src/face/face-mesh.ts',
    element: 'src/element/index.ts',
    react: 'src/react/index.ts',
  },
})

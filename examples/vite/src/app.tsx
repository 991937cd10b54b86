import { useFxEffect } from '@fx/runtime-web/react'
import plain from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm?url'
import simd from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url'
import threaded from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-threaded-simd.wasm?url'
import { useState } from 'react'

const wasmPaths = {
  'tfjs-backend-wasm.wasm': plain,
  'tfjs-backend-wasm-simd.wasm': simd,
  'tfjs-backend-wasm-threaded-simd.wasm': threaded,
}

export const App = () => {
  const [strength, setStrength] = useState(1)
  const { ref, state, retry } = useFxEffect({
    src: '/effect/',
    source: 'camera',
    wasmPaths,
    mirror: true,
    parameters: { strength },
  })
  return (
    <main>
      <canvas ref={ref} role="img" aria-label="Your camera with an effect" />
      <p role="status">{state.kind === 'running' ? '' : state.message}</p>
      {state.kind === 'failed' && (
        <button type="button" onClick={retry}>
          Try again
        </button>
      )}
      <label>
        Strength
        <input
          type="range"
          min="0"
          max="1"
          step="0.01"
          value={strength}
          onChange={event => setStrength(event.currentTarget.valueAsNumber)}
        />
      </label>
    </main>
  )
}

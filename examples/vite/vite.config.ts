import { defineConfig } from 'vite'

export default defineConfig({
  // The worker of @fx/runtime-web loads its engines lazily, which a classic worker cannot.
  worker: { format: 'es' },
  // The dev server would bundle the package away from its worker.
  optimizeDeps: { exclude: ['@fx/runtime-web'] },
  build: { target: 'es2022', chunkSizeWarningLimit: 2048 },
})

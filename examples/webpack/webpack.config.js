import { fileURLToPath } from 'node:url'

/** @type {import('webpack').Configuration} */
export default {
  mode: 'production',
  entry: './src/main.js',
  context: fileURLToPath(new URL('.', import.meta.url)),
  output: { path: fileURLToPath(new URL('./dist', import.meta.url)), clean: true },
  // tfjs alone is more than webpack thinks a page should have; it comes when the effect is loaded.
  performance: { hints: false },
}

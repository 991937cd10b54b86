import { defineConfig, type Options } from 'tsup'

/** The build every package shares: ESM and CommonJS with types for both. Only entries, platform and assets differ. */
export const library = (options: Options): ReturnType<typeof defineConfig> =>
  defineConfig({
    format: ['esm', 'cjs'],
    target: 'es2022',
    dts: { compilerOptions: { customConditions: [] } },
    sourcemap: true,
    clean: true,
    splitting: true,
    treeshake: true,
    ...options,
  })

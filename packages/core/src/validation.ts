import en from 'zod/v4/locales/en.js'

/**
 * Parse options that give full messages. `zod/mini` has none of its own, and setting its global locale would be a side
 * effect on import.
 */
export const inEnglish = { error: en().localeError }

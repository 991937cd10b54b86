export * from './latency.js'
export type { Candidate, SearchOptions, SearchProgress, Train } from './options.js'
export { type FoundCandidate, type SearchResult, searchStudent } from './search.js'
export { defaultSpace, type StudentChoice, type StudentSpace } from './space.js'

export { type UrlSourceOptions, urlSource } from './node/download.js'
export { fileSource, sha256Source } from './node/file.js'
export { type CheckpointLocation, openCheckpoint } from './node/open.js'
export { writeSafetensors } from './node/write.js'

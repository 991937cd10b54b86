export { SHARD_FORMAT_VERSION, type ShardFile, type ShardManifest, type SkippedPlace } from './shards/manifest.js'
export { type OpenShardsOptions, openShards, readShards, type ShardReader } from './shards/read.js'
export { recordShards, type SkipLog, type WriteProgress, type WriteShardsOptions, writeShards } from './shards/write.js'
export type { ImageSource, TrainingImage } from './training/image-source.js'
export {
  imageFolder,
  type ShardImagesOptions,
  shardImages,
  type TeacherImagesOptions,
  teacherImages,
} from './training/image-sources.js'
